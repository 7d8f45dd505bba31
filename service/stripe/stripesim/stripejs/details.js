// Details for paying elsewhere: the numbers of a voucher, or the account for a transfer. Stripe.js shows them over the page.
const isElsewhere = (action) => /_display_details$|^display_bank_transfer_instructions$|^verify_with_microdeposits$/.test(action?.type ?? '');

const detailNames = {
  amount_remaining: 'Amount, in minor units', arrival_date: 'Arrives', currency: 'Currency', entity: 'Entity', expires_after: 'Pay until',
  expires_at: 'Pay until', number: 'Number', reference: 'Reference',
};

const detailText = (name, value) => (/^(expires_|arrival_)/.test(name) ? new Date(value * 1000).toISOString().slice(0, 10) : String(value));

/** Shows the details of a next_action; resolves when the customer closes them. */
function showDetails(action) {
  const rows = Object.entries(action[action.type] ?? {}).filter(([name, value]) => detailNames[name] && value !== null);
  return new Promise((resolve) => {
    const host = make('div');
    const end = () => (host.remove(), resolve());
    const close = make('button', { type: 'button', class: 'close', onclick: end }, 'Close');
    const list = make('dl', {}, ...rows.flatMap(([name, value]) => [make('dt', {}, detailNames[name]), make('dd', {}, detailText(name, value))]));
    const text = make('div', { class: 'details' }, make('h2', {}, 'Pay with these details'), list);
    const dialog = make('dialog', { 'aria-label': 'Payment details', oncancel: end }, text, close);
    shadow(host).append(dialog);
    document.body.append(host);
    dialog.showModal();
  });
}
