package stripesim

// account is the state of one Stripe account: its objects, its clock, and its timers. It has no
// lock of its own; the Server's guards it.
type account struct {
	clock
	opts         Options
	ids          *minter
	ownID        string
	scheduler    scheduler
	outbox       outbox
	eventRequest eventRequest
	base         string // scheme and host of the simulator as its last caller knew it, for links to its bank pages

	customers *table[*customer]
	methods   *table[*method]
	intents   *table[*intent]
	charges   *table[*charge]
	refunds   *table[*refund]
	disputes  *table[*dispute]
	reviews   *table[*review]
	events    *table[*event]
	sessions  map[string]*session // by client secret
	pages     map[string]string   // ids of the intents that wait at a bank page, by the page's token
	keys      map[string]*keyed   // by idempotency key
	hooks     []*hook

	eventFaults  eventFaults
	changes      uint64                // changes of the account so far; events of one change share its number
	eventPlans   map[string]*eventPlan // for the next change of a payment, by its id
	activity     *activityLog
	apiVersion   string       // of the events of endpoints that have none of their own
	origin       eventOrigin  // of further events
	refundPlans  []refundPlan // of the next refunds that are asked for
	unexpandable []string     // properties that the key may not read
}

// eventRequest is the API request that caused an event; zero while the simulator acts by itself.
type eventRequest struct {
	ID  text `json:"id"`
	Key text `json:"idempotency_key"`
}

func newAccount(opts Options) *account {
	ids := newMinter(opts.Seed)
	return &account{
		clock:       clock{base: opts.Now},
		opts:        opts,
		ids:         ids,
		ownID:       "acct_1" + ids.letters(15),
		customers:   newTable[*customer](),
		methods:     newTable[*method](),
		intents:     newTable[*intent](),
		charges:     newTable[*charge](),
		refunds:     newTable[*refund](),
		disputes:    newTable[*dispute](),
		reviews:     newTable[*review](),
		events:      newTable[*event](),
		sessions:    map[string]*session{},
		pages:       map[string]string{},
		keys:        map[string]*keyed{},
		apiVersion:  opts.APIVersion,
		eventPlans:  map[string]*eventPlan{},
		activity:    &activityLog{},
		eventFaults: eventFaults{Seed: opts.Seed, Duplicate: opts.Duplicate, Reorder: opts.Reorder, Drop: opts.Drop},
	}
}

// retrieveAccount handles GET /v1/account.
func (a *account) retrieveAccount(*call) (any, error) {
	return document{
		"id":     a.ownID,
		"object": "account",
		"business_profile": document{
			"mcc": nil, "name": "Kasse Test Shop", "product_description": nil, "support_email": nil,
			"support_phone": nil, "url": nil,
		},
		"business_type": nil,
		"capabilities": document{
			"card_payments": "active", "sepa_debit_payments": "active", "transfers": "active",
		},
		"charges_enabled":   true,
		"controller":        document{"type": "account"},
		"country":           "DE",
		"created":           1700000000,
		"default_currency":  "eur",
		"details_submitted": true,
		"email":             "owner@example.com",
		"metadata":          document{},
		"payouts_enabled":   true,
		"settings":          nil,
		"type":              "standard",
	}, nil
}
