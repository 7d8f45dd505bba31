package stripesim

// Stripe's own texts of refusals, from public logs and reports. Programs must not depend on them, but people
// search for them.
const (
	textNotConfirmable = "You cannot confirm this PaymentIntent because it has a status of %s. Only a PaymentIntent " +
		"with one of the following statuses may be confirmed: requires_confirmation, requires_action."
	textNoMethod = "You cannot confirm this PaymentIntent because it's missing a payment method. You can either " +
		"update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly " +
		"with a payment method or ConfirmationToken."
	textReturnURL = "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because " +
		"some of these payment methods might redirect your customer off of your page, you must provide a " +
		"`return_url`. If you don't want to accept redirect-based payment methods, set " +
		"`automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to " +
		"`never` when creating Setup Intents and Payment Intents."
	textBadForm = "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you " +
		"have questions, we can help at https://support.stripe.com/."
	textNoKey = "You did not provide an API key. You need to provide your API key in the Authorization header, " +
		"using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See " +
		"https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/."
	textSecretKey = "This API call cannot be made with a publishable API key. Please use a secret API key. You can " +
		"find a list of your API keys at https://dashboard.stripe.com/account/apikeys."
	textOverCapture   = "The amount_to_capture (%d) is greater than the amount that can be captured (%d)."
	textNotCapturable = "This PaymentIntent could not be captured because it has a status of %s. Only a " +
		"PaymentIntent with one of the following statuses may be captured: requires_capture."
	textNotCancelable = "You cannot cancel this PaymentIntent because it has a status of %s. Only a PaymentIntent " +
		"with one of the following statuses may be canceled: requires_payment_method, requires_capture, " +
		"requires_confirmation, requires_action."
	textRateLimit = "Testmode request rate limit exceeded, the rate limits in testmode are lower than livemode. You " +
		"can learn more about rate limits here https://stripe.com/docs/rate-limits."
	textUnknownURL = "Unrecognized request URL (%s: %s). Please see https://stripe.com/docs or we can help at " +
		"https://support.stripe.com/."
	textOtherEndpoint = "Keys for idempotent requests can only be used for the same endpoint they were first used " +
		"for ('%s' vs '%s'). Try using a key other than '%s' if you meant to execute a different request."
	textOtherParameters = "Keys for idempotent requests can only be used with the same parameters they were first " +
		"used with. Try using a key other than '%s' if you meant to execute a different request."
	textKeyInUse = "There is currently another in-progress request using this Idempotent Key (that probably means " +
		"you submitted twice, and the other request is still going through): %s. Please try again later."
	textOtherCustomer = "You cannot modify `customer` on a PaymentIntent once it already has been set. To fulfill a " +
		"payment with a different Customer, cancel this PaymentIntent and create a new one."
	textForeignMethod = "The PaymentMethod %s belongs to a Customer. Please include the Customer in the `customer` " +
		"parameter on the PaymentIntent."
	textWrongType = "The PaymentMethod provided (%s) is not allowed for this PaymentIntent. Please attach a " +
		"PaymentMethod of one of the following types: %s. If you would like to continue using the current " +
		"PaymentMethod, you must add %s to this PaymentIntent."
	textWrongSecret = "The client_secret provided does not match the client_secret associated with the " +
		"PaymentIntent: '%s'"
	textNotUpdatable = "This PaymentIntent's %s could not be updated because it has a status of %s. You may only " +
		"update the %s of a PaymentIntent with one of the following statuses: requires_payment_method, " +
		"requires_confirmation, requires_action."
	textNotAuthenticated = "The provided PaymentMethod has failed authentication. You can provide " +
		"payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again."
	textBadQuery = "We were unable to parse your search query. Try using the format `metadata[\"key\"]:\"value\"` " +
		"to query for metadata or key:\"value\" to query for other fields."
	textEmpty = "You passed an empty string for '%s'. We assume empty values are an attempt to unset a parameter; " +
		"however '%s' cannot be unset. You should remove '%s' from your request or supply a non-empty value."
	textExpired = "The latest payment attempt for this PaymentIntent has expired. Provide a new payment method to " +
		"attempt it again."
	textNoBalance  = "Insufficient funds in your Stripe balance to refund this amount."
	textUnit       = "Invalid amount: %d. Amounts in %s must be a multiple of %d, such as %d."
	textPermission = "The provided key does not have the required permissions to expand %s. Please see " +
		"https://docs.stripe.com/keys#limit-access for the permissions of restricted keys."
	textLongMetadata = "Metadata values can have up to 500 characters, but you passed in a value that is %d " +
		"characters."
)
