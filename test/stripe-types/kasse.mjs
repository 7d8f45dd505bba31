// Kasse's handling of each known value. A value of Stripe's types that is not listed here is new: the check fails until
// it is added.

const ignored = 'ignored';
const read = 'read, never sent';

export const paymentStatuses = {
  requires_payment_method: '`pending`; after a failed attempt `failed`',
  requires_confirmation: '`pending`',
  requires_action: '`action_required`',
  processing: '`processing`',
  requires_capture: '`authorized`',
  succeeded: '`paid`; less after refunds and disputes',
  canceled: '`canceled`; `paid` where money was received',
};

export const refundStatuses = {
  pending: 'counts as refunded',
  requires_action: 'counts as refunded',
  succeeded: 'counts as refunded',
  failed: 'does not count as refunded',
  canceled: 'does not count as refunded',
};

export const disputeStatuses = {
  warning_needs_response: 'an inquiry: shown, changes no state',
  warning_under_review: 'an inquiry: shown, changes no state',
  warning_closed: 'an inquiry that ended without loss',
  needs_response: 'open: `disputed`',
  under_review: 'open: `disputed`',
  appeal_needs_response: 'open: `disputed`',
  appeal_under_review: 'open: `disputed`',
  won: 'ended in the shop\'s favour: `order.dispute_won`',
  prevented: 'ended without loss: `order.updated`',
  lost: '`charged_back`',
};

const authenticate = '`next` is `authenticate`, poll after 2 s';
const wait = '`next` is `wait`, poll after 60 s; no cancellation before it expires';

export const actions = {
  alipay_handle_redirect: authenticate,
  blik_authorize: authenticate,
  boleto_display_details: wait,
  card_await_notification: authenticate,
  cashapp_handle_redirect_or_display_qr_code: authenticate,
  display_bank_transfer_instructions: wait,
  klarna_display_qr_code: authenticate,
  konbini_display_details: wait,
  multibanco_display_details: wait,
  oxxo_display_details: wait,
  paynow_display_qr_code: authenticate,
  pix_display_qr_code: authenticate,
  promptpay_display_qr_code: authenticate,
  redirect_to_url: authenticate,
  swish_handle_redirect_or_display_qr_code: authenticate,
  upi_handle_redirect_or_display_qr_code: authenticate,
  use_stripe_sdk: authenticate,
  verify_with_microdeposits: wait,
  wechat_pay_display_qr_code: authenticate,
  wechat_pay_redirect_to_android_app: authenticate,
  wechat_pay_redirect_to_ios_app: authenticate,
};

const held = 'closed: the payment stays held until money is refunded';

export const closedReasons = {
  approved: 'closed: the payment is released',
  acknowledged: held, canceled: held, disputed: held, payment_never_settled: held, redacted: held, refunded: held,
  refunded_as_fraud: held,
};

export const openedReasons = { manual: 'shown as `review.reason`', rule: 'shown as `review.reason`' };

export const allowRedisplay = {
  always: 'a value of `allow_redisplay_filters` and `save_allow_redisplay`',
  limited: 'a value of `allow_redisplay_filters` and `save_allow_redisplay`',
  unspecified: 'a value of `allow_redisplay_filters` and `save_allow_redisplay`',
};

export const cancellationReasons = {
  abandoned: '`reason` of `/cancel`; sent if an unpaid payment is abandoned',
  duplicate: '`reason` of `/cancel`',
  fraudulent: '`reason` of `/cancel`',
  requested_by_customer: '`reason` of `/cancel`',
  automatic: read, expired: read, failed_invoice: read, void_invoice: read,
};

export const captureMethods = {
  automatic: 'a term of the order', automatic_async: 'a term of the order; the default', manual: 'a term of the order',
};

export const futureUsages = {
  off_session: 'a term of the order; `save_usage`', on_session: 'a term of the order; `save_usage`',
};

export const components = {
  payment_element: '`"surface": "web"`',
  mobile_payment_element: '`"surface": "mobile"`',
  active_entitlements: 'not used', buy_button: 'not used', customer_portal: 'not used', customer_sheet: 'not used',
  pricing_table: 'not used',
};

export const webFeatures = {
  payment_method_allow_redisplay_filters: '`allow_redisplay_filters`',
  payment_method_redisplay: '`redisplay`',
  payment_method_redisplay_limit: '`redisplay_limit`',
  payment_method_remove: '`remove`',
  payment_method_save: '`save`',
  payment_method_save_usage: '`save_usage`',
};

export const mobileFeatures = {
  payment_method_allow_redisplay_filters: '`allow_redisplay_filters`',
  payment_method_redisplay: '`redisplay`',
  payment_method_remove: '`remove`',
  payment_method_save: '`save`',
  payment_method_save_allow_redisplay_override: '`save_allow_redisplay`',
};

const notSent = 'not sent';

export const creation = {
  amount: '`amount`', currency: '`currency`', customer: '`customer`', capture_method: '`capture_method`',
  description: '`description`', metadata: '`metadata`, and Kasse\'s own keys', receipt_email: '`receipt_email`',
  setup_future_usage: '`setup_future_usage`', shipping: '`shipping`',
  statement_descriptor_suffix: '`statement_descriptor_suffix`',
  payment_method_configuration: '`payment_method_configuration`', automatic_payment_methods: 'always `enabled`',
  expand: notSent, allowed_payment_method_types: notSent, amount_details: notSent, application_fee_amount: notSent,
  confirm: notSent, confirmation_method: notSent, confirmation_token: notSent, customer_account: notSent,
  error_on_requires_action: notSent, excluded_payment_method_types: notSent, hooks: notSent, mandate: notSent,
  mandate_data: notSent, off_session: notSent, on_behalf_of: notSent, payment_details: notSent,
  payment_method: notSent, payment_method_data: notSent,
  payment_method_options: notSent, radar_options: notSent, return_url: notSent, statement_descriptor: notSent,
  transfer_data: notSent, transfer_group: notSent, use_stripe_sdk: notSent,
};

const needed = 'changes the payment; `kasse check` needs it';
const wanted = 'changes the payment';
const optional = 'changes the view; optional, `kasse check` lists it';

/** The families of event types whose types are listed one by one. Types of other families are ignored. */
export const eventFamilies = ['payment_intent', 'charge', 'refund', 'review', 'radar'];

export const events = {
  'payment_intent.amount_capturable_updated': needed, 'payment_intent.canceled': needed,
  'payment_intent.created': needed, 'payment_intent.payment_failed': needed, 'payment_intent.processing': needed,
  'payment_intent.requires_action': needed, 'payment_intent.succeeded': needed,
  'payment_intent.partially_funded': wanted,
  'charge.refunded': wanted, 'charge.refund.updated': wanted, 'refund.created': wanted, 'refund.failed': wanted,
  'refund.updated': wanted,
  'charge.dispute.closed': wanted, 'charge.dispute.created': wanted, 'charge.dispute.funds_reinstated': wanted,
  'charge.dispute.funds_withdrawn': wanted, 'charge.dispute.updated': wanted,
  'charge.failed': optional, 'charge.succeeded': optional, 'charge.updated': optional,
  'review.closed': optional, 'review.opened': optional,
  'charge.captured': ignored, 'charge.expired': ignored, 'charge.pending': ignored,
  'radar.early_fraud_warning.created': ignored, 'radar.early_fraud_warning.updated': ignored,
};

/** Kasse's responses when Stripe refuses a call, by Stripe's code. All other codes give 502 `stripe_error`. */
export const refusals = {
  amount_too_large: '422 `amount_out_of_range`', amount_too_small: '422 `amount_out_of_range`',
  invalid_charge_amount: '422 `amount_out_of_range`',
  balance_insufficient: '409 `balance_insufficient`', charge_already_captured: '409 `invalid_state`',
  charge_already_refunded: '422 `refund_exceeds_payment`', charge_disputed: '409 `invalid_state`',
  charge_expired_for_capture: '409 `invalid_state`', payment_intent_unexpected_state: '409 `invalid_state`',
  resource_missing: '422 `customer_not_found`, or 404 `not_found`', rate_limit: '503 `stripe_rate_limited`',
  lock_timeout: '503 `stripe_rate_limited`', idempotency_key_in_use: '409 `idempotency_in_progress`',
};
