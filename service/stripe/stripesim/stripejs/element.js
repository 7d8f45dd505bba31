// The Payment Element: saved methods first, then the types that the payment allows.
class PaymentElement {
  #elements; #host; #root; #listeners = {}; #options = []; #session = null; #generation = 0;

  constructor(elements) {
    this.#elements = elements;
  }

  on(event, handler) {
    (this.#listeners[event] ??= []).push(handler);
    return this;
  }

  off(event, handler) {
    this.#listeners[event] = (this.#listeners[event] ?? []).filter((other) => handler && other !== handler);
    return this;
  }

  #tell(event, detail = {}) {
    for (const handler of this.#listeners[event] ?? []) handler({ elementType: 'payment', ...detail });
  }

  mount(target) {
    const parent = typeof target === 'string' ? document.querySelector(target) : target;
    if (!parent) throw new IntegrationError(`The selector you specified (${target}) applies to no DOM elements that are currently on the page.`);
    if (this.#host?.parentNode === parent) return;
    this.unmount();
    this.#host = make('div', { class: 'StripeElement' });
    this.#root = shadow(this.#host);
    this.dress(this.#elements.appearance);
    parent.replaceChildren(this.#host);
    void this.#load(++this.#generation);
  }

  unmount() {
    this.#generation++;
    this.#host?.remove();
    this.#host = undefined;
    this.#options = [];
  }

  destroy() {
    this.unmount();
    this.#elements.drop(this);
  }

  update() {}

  focus() {
    this.#options.find((option) => option.radio.checked)?.radio.focus();
  }

  collapse() {
    for (const option of this.#options) option.radio.checked = false;
    this.#changed();
  }

  dress(appearance) {
    if (this.#host) dress(this.#host, appearance);
  }

  /** Loads the data to show. If the page unmounts meanwhile, the data is dropped. */
  async #load(generation) {
    const { error, intent, session } = await this.#elements.load();
    if (generation !== this.#generation) return;
    if (error) return this.#tell('loaderror', { error });
    this.#session = session?.components.payment_element.features ?? null;
    this.#draw(intent, session?.payment_methods ?? []);
    this.#tell('ready');
    this.#changed();
  }

  #draw(intent, saved) {
    const allowed = intent.payment_method_types.filter((type) => methods[type]);
    this.#options = [
      ...saved.filter((method) => allowed.includes(method.type)).map((method) => this.#savedOption(method)),
      ...allowed.map((type) => this.#newOption(type)),
    ];
    if (this.#options[0]) this.#options[0].radio.checked = true;
    this.#root.replaceChildren(
      make('fieldset', {}, make('legend', {}, 'Payment method'), ...this.#options.map((option) => option.node)),
      make('p', { class: 'simulated' }, 'Simulated Stripe: no money moves. ', make('code', {}, '4242 4242 4242 4242'), ' pays, ',
        make('code', {}, '4000 0000 0000 0002'), ' is declined, ', make('code', {}, '4000 0027 6000 3184'), ' asks for 3D Secure.'),
    );
  }

  #savedOption(method) {
    const { name, hint } = describe(method);
    const option = this.#option(name, hint, []);
    option.form = () => ({ payment_method: method.id });
    option.type = method.type;
    if (this.#session.payment_method_remove === 'enabled') {
      const remove = make('button', { type: 'button', class: 'remove', 'aria-label': `Remove ${name}`, onclick: () => this.#remove(option, method, remove) }, 'Remove');
      option.head.append(remove);
    }
    return option;
  }

  #newOption(type) {
    const kind = methods[type];
    const inputs = kind.fields.map((name) => makeField(name, () => this.#changed()));
    const option = this.#option(kind.label === 'Card' ? 'New card' : kind.label, '', inputs);
    option.type = type;
    if (kind.note) option.panel.append(make('p', { class: 'note' }, kind.note));
    const box = kind.saves && this.#session?.payment_method_save === 'enabled' ? make('input', { type: 'checkbox', name: 'save' }) : undefined;
    if (box) option.panel.append(make('label', { class: 'save' }, box, 'Save payment details for future purchases'));
    option.form = () => ({
      ...newMethod(type, Object.fromEntries(inputs.map((field) => [field.name, field.input.value]))),
      ...(box && { 'payment_method_data[allow_redisplay]': box.checked ? 'always' : 'limited' }),
      ...(box?.checked && { setup_future_usage: this.#session.payment_method_save_usage }),
    });
    return option;
  }

  #option(name, hint, inputs) {
    const radio = make('input', { type: 'radio', name: 'method', id: uniqueID('method'), onchange: () => this.#changed() });
    const head = make('div', { class: 'head' }, radio, make('label', { for: radio.id }, name, hint ? make('span', { class: 'hint' }, hint) : ''));
    const panel = make('div', { class: 'panel', hidden: true }, ...inputs.map((field) => field.node));
    return { radio, head, panel, inputs, node: make('div', { class: 'option' }, head, panel) };
  }

  async #remove(option, method, button) {
    button.disabled = true;
    const { error } = await detach(this.#elements.key, this.#elements.customerSessionClientSecret, method.id);
    if (error) {
      button.disabled = false;
      return;
    }
    const at = this.#options.indexOf(option);
    this.#options.splice(at, 1);
    option.node.remove();
    const next = this.#options[Math.min(at, this.#options.length - 1)];
    if (option.radio.checked) next.radio.checked = true;
    next.radio.focus();
    this.#changed();
  }

  #changed() {
    const chosen = this.#chosen();
    for (const { radio, panel, node } of this.#options) {
      panel.hidden = !radio.checked || panel.childElementCount === 0;
      node.classList.toggle('chosen', radio.checked);
    }
    const complete = Boolean(chosen) && chosen.inputs.every((field) => !field.flaw());
    this.#tell('change', { complete, empty: !chosen, collapsed: !chosen, value: { type: chosen?.type ?? '' } });
  }

  #chosen() {
    return this.#options.find((option) => option.radio.checked);
  }

  /** Returns the form that confirms the payment. If input is missing, it shows the errors and returns them to the page. */
  submit() {
    const chosen = this.#chosen();
    if (!chosen) return { error: { type: 'validation_error', code: 'incomplete_payment_method', message: 'Please choose a payment method.' } };
    const flawed = chosen.inputs.filter((field) => field.flaw());
    for (const field of chosen.inputs) field.complain(field.flaw());
    if (flawed.length === 0) return { form: chosen.form() };
    flawed[0].input.focus();
    return { error: { type: 'validation_error', code: flawed[0].code, message: flawed[0].flaw() } };
  }
}
