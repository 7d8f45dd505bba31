package main

import (
	"fmt"
	"io"
)

// introduce prints the addresses, the credentials, and shell commands that can be pasted as they are.
func (w *stack) introduce(out io.Writer) {
	_, _ = fmt.Fprintf(
		out, "Shop     %s\nConsole  %s\nKasse    %s\nProbes   %s/readyz\nStripe   %s\n",
		w.shop, w.console, w.kasse, w.admin, w.stripe,
	)
	if w.control == "" {
		return
	}
	_, _ = fmt.Fprintf(out, "Control  %s\n\nCommands to paste into another terminal:\n\n", w.control)
	_, _ = fmt.Fprintf(out, walk, serviceKey, w.kasse, w.stripe)
}

// walk is also in the README; a test runs it there.
const walk = `KEY=%s
KASSE=%s
STRIPE=%s

# A customer of the shop, who saved a card earlier.
CUSTOMER=$(curl -s $STRIPE/v1/customers -u sk_test_kasse_dev: -d email=ada@example.com | grep -o 'cus_[A-Za-z0-9_]*' | head -n 1)
curl -s $STRIPE/v1/payment_methods/pm_card_visa/attach -u sk_test_kasse_dev: -d customer=$CUSTOMER

# The backend opens a payment for an order; the page gets both client secrets.
OPENED=$(curl -s $KASSE/v1/payments -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
  -d '{"order_id":"order-1","amount":4200,"currency":"eur","customer":"'$CUSTOMER'"}')
echo "$OPENED"
PAYMENT=$(echo "$OPENED" | grep -o 'pi_[A-Za-z0-9]*' | head -n 1)
SECRET=$(echo "$OPENED" | grep -o 'pi_[A-Za-z0-9]*_secret_[A-Za-z0-9]*')

# The customer pays. A real page does this with Stripe.js.
curl -s $STRIPE/v1/payment_intents/$PAYMENT/confirm -u pk_test_kasse_dev: -d client_secret=$SECRET \
  -d payment_method=pm_card_visa -d return_url=https://shop.example/thanks

# The page waits for a version after the one that it has: Stripe's webhook brings it. It needs only the client secret.
VERSION=$(echo "$OPENED" | grep -o '"version":[0-9]*' | head -n 1 | grep -o '[0-9]*')
curl -s "$KASSE/v1/payments/$PAYMENT?wait=20" -H "Authorization: Bearer $SECRET" -H "If-None-Match: \"$VERSION\""; echo

# The backend sees more of it, and follows all payments by the feed.
curl -s $KASSE/v1/orders/order-1 -H "Authorization: Bearer $KEY"; echo
curl -s $KASSE/v1/events -H "Authorization: Bearer $KEY"
`
