// The README's TypeScript code, unchanged: it type-checks, and it pays.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test, describe } from 'node:test';
import ts from 'typescript';
import { environment, shopper, until, waitsForYou } from './harness.mjs';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const snippet = /```ts\n([\s\S]*?)```/.exec(readme)[1];

/** The errors of tsc --strict for a text, in a project with the client, @stripe/stripe-js and the browser's types. */
function typeErrors(text) {
  const name = new URL('snippet.ts', import.meta.url).pathname; // next to node_modules; the file is never written
  const options = {
    strict: true, noEmit: true, noUncheckedIndexedAccess: true, noImplicitReturns: true, skipLibCheck: true, types: [],
    target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'], exactOptionalPropertyTypes: true,
    paths: { '@kasse/client': [new URL('../../clients/typescript/dist/index.d.ts', import.meta.url).pathname] },
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (file) => file === name || fileExists(file);
  host.readFile = (file) => (file === name ? text : readFile(file));
  host.getSourceFile = (file, version) =>
    file === name ? ts.createSourceFile(file, text, version) : getSourceFile(file, version);
  const found = ts.getPreEmitDiagnostics(ts.createProgram([name], options, host));
  return found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

describe('the README', () => {
  const w = environment();

  /** Serves the snippet to the page. begin(order) loads it there as window.readme. */
  async function serveSnippet(ada) {
    const { outputText } = ts.transpileModule(
      snippet
        .replace('https://pay.shop.example', w.kasse)
        .replace('@kasse/client', './kasse.js')
        .replace('@stripe/stripe-js', './loader.js')
        .replace(/\(await fetch\('\/api\/order-token'.*\.text\(\)/, 'window.token()'),
      { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } },
    );
    const serve = (path, body) =>
      ada.page.route(w.shop + path, (route) => route.fulfill({ body, contentType: 'text/javascript' }));
    await serve('/readme.js', outputText);
    // Like the package @stripe/stripe-js, which loads Stripe.js.
    await serve('/loader.js', `export const loadStripe = async (key) => window.Stripe(key);`);
    await ada.page.evaluate(() => {
      window.begin = async (order) => {
        const { getToken } = await import('/shop.js');
        window.token = () => getToken(order);
        window.readme = await import('/readme.js');
      };
    });
  }

  test('type-checks; with mistakes it does not', () => {
    assert.deepEqual(typeErrors(snippet), []);
    const wrong = snippet.replace('payment.client_secret,', 'payment.secret,').replace('.mount(where)', '.mount(1)');
    assert.deepEqual(typeErrors(wrong).map((text) => text.split('\n')[0]), [
      "Property 'secret' does not exist on type 'OpenedPayment'.",
      "Argument of type 'number' is not assignable to parameter of type 'string | HTMLElement'.",
    ]);
  });

  test('pays', async (t) => {
    const ada = await shopper(t, w);
    await ada.toPayment();
    await ada.payable();
    await serveSnippet(ada);
    // The first reads fail: no network, a rate limit, and a server that shuts down. The loop continues.
    const cors = { 'Access-Control-Allow-Origin': w.shop, 'Access-Control-Expose-Headers': 'Retry-After' };
    const failures = [
      (route) => route.abort('connectionrefused'),
      (route) => route.fulfill({
        status: 429, headers: { ...cors, 'Retry-After': '1' }, contentType: 'application/problem+json',
        body: '{"code":"rate_limited","status":429,"retryable":true}',
      }),
      (route) => route.fulfill({ status: 503, headers: cors, body: '' }),
    ];
    const pass = (route) => route.continue();
    await ada.page.route(`${w.kasse}/v1/payments/pi_*`, (route) => (failures.shift() ?? pass)(route));
    await ada.page.evaluate(async (order) => {
      const added = 'payment_intent=pi_1&payment_intent_client_secret=pi_1_secret_2&redirect_status=succeeded';
      history.replaceState(null, '', `/return?order=${order}&${added}`);
      await window.begin(order);
      document.querySelector('#view').innerHTML = '<div id="payment"></div>';
      const { payment, stripe, elements } = await window.readme.mountPayment('#payment');
      const returnURL = location.origin + '/return?order=' + order;
      window.confirmNow = () => window.readme.confirmPayment(stripe, elements, returnURL);
      window.seen = [];
      const show = (state) => window.seen.push(state);
      window.readme.showStatus(payment.payment_intent, show, payment.client_secret).then(() => show('over'));
    }, ada.order);
    const taken = await ada.page.evaluate(() => [window.readme.returned, location.search]);
    assert.deepEqual(taken, [{ payment: 'pi_1', clientSecret: 'pi_1_secret_2' }, `?order=${ada.order}`]);

    const sees = (state) => until(state, () => ada.page.evaluate((wanted) => window.seen.includes(wanted), state));
    await sees('pending');
    assert.equal(failures.length, 0, 'each failure has happened');
    await ada.choose('SEPA Direct Debit');
    assert.equal(await ada.page.evaluate(() => window.confirmNow()), 'The IBAN you entered is incomplete or invalid.');
    await ada.method('SEPA Direct Debit', { iban: 'DE89370400440532013000' });
    assert.equal(await ada.page.evaluate(() => window.confirmNow()), undefined);
    await sees('processing');
    assert.equal(await ada.page.evaluate(() => window.confirmNow()), undefined, 'confirmed already, as in another tab');
    await w.settle(ada.order);
    await sees('over');
    // If the payment method is known later than the state, the state is shown again.
    const states = (await ada.page.evaluate(() => window.seen)).filter((state, i, all) => state !== all[i - 1]);
    assert.deepEqual(states, ['pending', 'processing', 'paid', 'over']);

    await w.paidOnce(ada.order);
    await ada.page.goto(`${w.shop}/return?order=${ada.order}`);
  });

  test('shows the details of an open voucher', async (t) => {
    const ada = await shopper(t, w);
    await ada.toPayment();
    await ada.payable();
    const [{ id }] = await w.intents(ada.order);
    await w.controlStripe(`/payments/${id}/action`, { type: 'multibanco_display_details' });
    await w.reaches(ada.order, 'action_required');
    await serveSnippet(ada);
    await ada.page.evaluate((order) => window.begin(order), ada.order);
    await ada.page.evaluate(() => {
      document.querySelector('#view').innerHTML = '<div id="payment"></div>';
      window.mounted = window.readme.mountPayment('#payment').then(({ elements }) => elements ?? 'none');
    });
    const details = ada.page.getByRole('dialog', { name: 'Payment details' });
    await details.getByRole('button', { name: 'Close' }).click();
    assert.equal(await ada.page.evaluate(() => window.mounted), 'none');
    assert.equal(await ada.page.locator('#payment > *').count(), 0);
    await ada.page.goto(`${w.shop}/return?order=${ada.order}`);
    await ada.shows(waitsForYou);
  });
});
