// Tests of the React entry without a browser; examples/react pays in one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { formatMoney, KassePaymentElement, KasseProvider, outcomeText, usePaymentStatus } from '@kasse/client/react';

test('each state has its text, also one of a later version', () => {
  const textOf = (status) => outcomeText({ action: null, failure: null, ...status }, undefined, 'en-GB');
  assert.match(textOf({ state: 'paid', next: 'none' }), /is paid/);
  assert.match(textOf({ state: 'processing', next: 'wait' }), /some days/);
  assert.match(textOf({ state: 'authorized', next: 'wait' }), /when we send it/);
  assert.match(textOf({ state: 'canceled', next: 'none' }), /cancelled/);
  assert.match(textOf({ state: 'charged_back', next: 'none' }), /given back/);
  assert.match(textOf({ state: 'a later word', next: 'none' }), /being looked at/);
  assert.match(textOf({ state: 'failed', next: 'retry', failure: { code: 'expired_card' } }), /has expired/);
  const voucher = { state: 'action_required', next: 'wait' };
  const action = { type: 'oxxo_display_details', expires_at: '2026-12-01T12:00:00Z' };
  assert.match(textOf({ ...voucher, action }), /until 01\/12\/2026/);
  assert.doesNotMatch(textOf(voucher), /until/);
  assert.match(textOf({ state: 'action_required', next: 'authenticate' }), /Checking/);
});

test('money is written with the digits of its currency', () => {
  assert.equal(formatMoney(4200, 'eur', 'en'), '€42.00');
  assert.equal(formatMoney(4200, 'jpy', 'en'), '¥4,200');
  assert.equal(formatMoney(4200, 'kwd', 'en').replace(/\s/, ' '), 'KWD 4.200');
  // Two digits at Stripe, in every version of ICU.
  for (const currency of ['huf', 'cop', 'isk', 'ugx', 'rsd'])
    assert.match(formatMoney(100_000, currency, 'en'), /1,000\.00$/, currency);
});

test('a server renders the page without a request', () => {
  const getToken = () => assert.fail('a token was asked for');
  const Status = () => usePaymentStatus('order-1').status ?? 'not known yet';
  const page = createElement(
    KasseProvider,
    { baseUrl: 'http://127.0.0.1:1', getToken },
    createElement(KassePaymentElement, { order: 'order-1', returnUrl: 'https://shop.example/return' }),
    createElement(Status),
  );
  assert.match(renderToString(page), /Loading.*not known yet/);
  assert.throws(() => renderToString(createElement(Status)), /KasseProvider/);
});
