// Histories of a payment: amounts in cents, and steps that are methods of sim.mjs.
export const histories = [
  { name: 'declined, then paid', amount: 4200, steps: [['pay', 'pm_card_chargeDeclined'], ['pay', 'pm_card_visa']] },
  {
    name: 'the same, and the decline is delivered again', amount: 4200, again: 'payment_intent.payment_failed',
    steps: [['pay', 'pm_card_chargeDeclined'], ['pay', 'pm_card_visa']],
  },
  { name: 'paid, 12.00 refunded in the Dashboard', amount: 4200, steps: [['pay', 'pm_card_visa'], ['refund', 1200]] },
  { name: 'paid, all refunded', amount: 4200, steps: [['pay', 'pm_card_visa'], ['refund', 1200], ['refund', 3000]] },
  {
    name: 'paid, refund fails later', amount: 4200,
    steps: [['pay', 'pm_card_visa'], ['refund', 4200], ['failRefund']],
  },
  { name: 'paid, dispute lost', amount: 4200, steps: [['pay', 'pm_card_visa'], ['dispute'], ['decide', 'lost']] },
  { name: 'paid, dispute won', amount: 4200, steps: [['pay', 'pm_card_visa'], ['dispute'], ['decide', 'won']] },
  { name: 'SEPA debit on its way', amount: 4200, steps: [['pay', 'pm_success_de']] },
  { name: 'SEPA debit settled', amount: 4200, steps: [['pay', 'pm_success_de'], ['settle', false]] },
  { name: 'SEPA debit failed', amount: 4200, steps: [['pay', 'pm_failed_de'], ['settle', true]] },
  {
    name: 'authorised 100.00, captured 40.00', amount: 10000, capture_method: 'manual',
    steps: [['pay', 'pm_card_visa'], ['capture', 4000]],
  },
  { name: 'cancelled in the Dashboard', amount: 4200, steps: [['cancel']] },
];
