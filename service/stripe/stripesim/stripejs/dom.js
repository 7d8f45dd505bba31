// Small helpers for the element's own tree.
let counter = 0;
const uniqueID = (name) => `${name}-${++counter}`;

/** Makes an element. Properties that begin with "on" are listeners; false and undefined leave an attribute out. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

/** Makes one labelled input with its error text. */
function makeField(name, changed) {
  const kind = fields[name];
  const id = uniqueID(name);
  const complaint = make('p', { id: id + '-flaw', class: 'flaw', hidden: true });
  const input = make('input', {
    id, name, type: 'text', autocomplete: kind.autocomplete, inputmode: kind.inputmode, placeholder: kind.placeholder, spellcheck: 'false',
    'aria-required': 'true', oninput: () => { retype(input, kind); field.complain(''); changed(); },
    onblur: () => { if (input.value) field.complain(kind.flaw(input.value)); },
    onkeydown: (event) => { if (event.key === 'Enter') input.getRootNode().host.closest('form')?.requestSubmit(); },
  });
  const field = {
    name, input, code: kind.code,
    node: make('div', { class: kind.half ? 'field half' : 'field' }, make('label', { for: id }, kind.label), input, complaint),
    flaw: () => kind.flaw(input.value),
    complain(text) {
      complaint.textContent = text;
      complaint.hidden = !text;
      input.toggleAttribute('aria-invalid', Boolean(text));
      if (text) input.setAttribute('aria-invalid', 'true');
      if (text) input.setAttribute('aria-describedby', complaint.id);
      else input.removeAttribute('aria-describedby');
    },
  };
  return field;
}

/** Formats while typing; the caret stays where it is, unless it was at the end. */
function retype(input, kind) {
  if (!kind.format) return;
  const caret = input.selectionStart;
  const atEnd = caret === input.value.length;
  input.value = kind.format(input.value);
  if (!atEnd) input.setSelectionRange(caret, caret);
}

/** Applies the page's appearance, as far as it is supported here: https://docs.stripe.com/elements/appearance-api. */
function dress(host, appearance = {}) {
  host.dataset.theme = appearance.theme ?? 'stripe';
  for (const name of ['colorPrimary', 'colorBackground', 'colorText', 'colorTextSecondary', 'colorDanger', 'borderRadius', 'fontFamily', 'fontSizeBase']) {
    const value = appearance.variables?.[name];
    if (value) host.style.setProperty('--' + name, value);
    else host.style.removeProperty('--' + name);
  }
}

/** Makes a shadow root with the styles. The page's content policy allows style sheets that a script makes. */
function shadow(host) {
  const root = host.attachShadow({ mode: 'open' });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  root.adoptedStyleSheets = [sheet];
  return root;
}
