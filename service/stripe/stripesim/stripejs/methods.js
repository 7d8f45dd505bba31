// The types of payment method that are offered: what each asks for, and what is sent for it.
const contact = (values) => ({
  ...(values.name && { 'billing_details[name]': values.name.trim() }),
  ...(values.email && { 'billing_details[email]': values.email.trim() }),
});

const away = 'After you submit, you will be sent to your bank to complete the payment.';

const elsewhere = 'After you submit, you get the details with which you pay within some days.';

const methods = {
  card: {
    label: 'Card', saves: true, fields: ['number', 'expiry', 'cvc'],
    data: (values) => ({
      'card[number]': digitsOf(values.number), 'card[cvc]': values.cvc,
      'card[exp_month]': expiryOf(values.expiry).month, 'card[exp_year]': expiryOf(values.expiry).year,
    }),
  },
  link: { label: 'Link', fields: ['email'], note: 'Pay with the details that you have saved with Link.' },
  sepa_debit: {
    label: 'SEPA Direct Debit', saves: true, fields: ['iban', 'name', 'email'],
    note: 'By confirming you authorise the shop to debit this account. It takes some days until your bank has paid.',
    data: (values) => ({ 'sepa_debit[iban]': bare(values.iban) }),
  },
  us_bank_account: {
    label: 'US bank account', saves: true, fields: ['name', 'email', 'routing', 'account'],
    note: 'By confirming you authorise the shop to debit this account. It takes some days until your bank has paid.',
    data: (values) => ({
      'us_bank_account[account_holder_type]': 'individual', 'us_bank_account[routing_number]': values.routing,
      'us_bank_account[account_number]': values.account,
    }),
  },
  ideal: { label: 'iDEAL | Wero', saves: true, fields: ['name', 'email'], note: away },
  bancontact: { label: 'Bancontact', saves: true, fields: ['name', 'email'], note: away },
  sofort: { label: 'Sofort', saves: true, fields: ['name', 'email'], note: away, data: () => ({ 'sofort[country]': 'DE' }) },
  eps: { label: 'EPS', fields: ['name'], note: away },
  boleto: { label: 'Boleto', fields: ['name', 'email'], note: elsewhere },
  konbini: { label: 'Konbini', fields: ['name', 'email'], note: elsewhere },
  multibanco: { label: 'Multibanco', fields: ['email'], note: elsewhere },
  oxxo: { label: 'OXXO', fields: ['name', 'email'], note: elsewhere },
};

/** The form of a new method, as confirm takes it. */
function newMethod(type, values) {
  const form = { 'payment_method_data[type]': type };
  for (const [name, value] of Object.entries({ ...contact(values), ...methods[type].data?.(values) })) {
    form['payment_method_data' + name.replace(/^[^[]+/, '[$&]')] = value;
  }
  return form;
}

const brands = { visa: 'Visa', mastercard: 'Mastercard', amex: 'American Express', discover: 'Discover' };

/** The name of a saved method, and the text beside it. */
function describe(method) {
  const detail = method[method.type] ?? {};
  const ending = detail.last4 ? ` •••• ${detail.last4}` : '';
  switch (method.type) {
    case 'card':
      return { name: (brands[detail.brand] ?? 'Card') + ending, hint: `Expires ${String(detail.exp_month).padStart(2, '0')}/${detail.exp_year % 100}` };
    case 'us_bank_account':
      return { name: 'Bank account' + ending, hint: detail.bank_name ?? '' };
    case 'link':
      return { name: 'Link', hint: detail.email ?? '' };
    default:
      return { name: (methods[method.type]?.label ?? method.type) + ending, hint: detail.country ?? '' };
  }
}
