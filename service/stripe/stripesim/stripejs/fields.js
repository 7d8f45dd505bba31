// The fields of payment methods: the format of each, and the errors of a value.
const bare = (value) => value.replaceAll(/\s/g, '');
const digitsOf = (value) => value.replaceAll(/\D/g, '');

function luhn(number) {
  let sum = 0;
  [...number].reverse().forEach((digit, i) => {
    const d = Number(digit) * (i % 2 ? 2 : 1);
    sum += d > 9 ? d - 9 : d;
  });
  return sum % 10 === 0;
}

/** ISO 13616: the check digits of an IBAN. */
function ibanHolds(iban) {
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/.test(iban)) return false;
  const moved = iban.slice(4) + iban.slice(0, 4);
  const digits = [...moved].map((letter) => parseInt(letter, 36)).join('');
  return BigInt(digits) % 97n === 1n;
}

const expiryOf = (value) => {
  const [month = '', year = ''] = value.split('/').map(digitsOf);
  return { month: Number(month), year: year === '' ? 0 : 2000 + Number(year) };
};

function expiryFlaw(value) {
  const { month, year } = expiryOf(value);
  if (digitsOf(value).length < 4) return 'Your card’s expiration date is incomplete.';
  if (month < 1 || month > 12) return 'Your card’s expiration date is invalid.';
  const today = new Date();
  const past = year < today.getFullYear() || (year === today.getFullYear() && month <= today.getMonth());
  return past ? 'Your card’s expiration date is in the past.' : '';
}

function numberFlaw(value) {
  const number = digitsOf(value);
  if (number.length < 14) return 'Your card number is incomplete.';
  return luhn(number) ? '' : 'Your card number is invalid.';
}

const filled = (text) => (value) => (value.trim() ? '' : text);

const fields = {
  number: {
    label: 'Card number', autocomplete: 'cc-number', inputmode: 'numeric', placeholder: '1234 1234 1234 1234', code: 'incomplete_number',
    format: (value) => digitsOf(value).slice(0, 19).replaceAll(/(.{4})(?=.)/g, '$1 '), flaw: numberFlaw,
  },
  expiry: {
    label: 'Expiration date', autocomplete: 'cc-exp', inputmode: 'numeric', placeholder: 'MM / YY', code: 'incomplete_expiry', half: true,
    format: (value) => digitsOf(value).slice(0, 4).replace(/^(\d\d)(?=\d)/, '$1 / '), flaw: expiryFlaw,
  },
  cvc: {
    label: 'Security code', autocomplete: 'cc-csc', inputmode: 'numeric', placeholder: 'CVC', code: 'incomplete_cvc', half: true,
    format: (value) => digitsOf(value).slice(0, 4), flaw: (value) => (value.length < 3 ? 'Your card’s security code is incomplete.' : ''),
  },
  name: { label: 'Full name', autocomplete: 'name', code: 'incomplete_name', flaw: filled('Please provide your full name.') },
  email: {
    label: 'Email', autocomplete: 'email', inputmode: 'email', code: 'incomplete_email',
    flaw: (value) => (/^\S+@\S+\.\S+$/.test(value.trim()) ? '' : 'Your email address is incomplete.'),
  },
  iban: {
    label: 'IBAN', autocomplete: 'off', placeholder: 'DE00 0000 0000 0000 0000 00', code: 'incomplete_iban',
    format: (value) => bare(value).toUpperCase().slice(0, 34).replaceAll(/(.{4})(?=.)/g, '$1 '),
    flaw: (value) => (ibanHolds(bare(value)) ? '' : 'The IBAN you entered is incomplete or invalid.'),
  },
  routing: {
    label: 'Routing number', autocomplete: 'off', inputmode: 'numeric', placeholder: '110000000', code: 'incomplete_routing_number', half: true,
    format: (value) => digitsOf(value).slice(0, 9), flaw: (value) => (value.length < 9 ? 'The routing number is incomplete.' : ''),
  },
  account: {
    label: 'Account number', autocomplete: 'off', inputmode: 'numeric', placeholder: '000123456789', code: 'incomplete_account_number', half: true,
    format: (value) => digitsOf(value).slice(0, 17), flaw: (value) => (value.length < 4 ? 'The account number is incomplete.' : ''),
  },
};
