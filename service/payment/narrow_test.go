package payment

import (
	"slices"
	"testing"
)

var (
	mostFeatures = SessionFeatures{
		RedisplayLimit: new(5), RedisplayOnly: []string{"always", "limited"}, Save: true, SaveUsage: "off_session",
	}
	redisplayOff = SessionFeatures{
		Redisplay: new(false), RedisplayLimit: new(2), RedisplayOnly: []string{"limited"}, Surface: SurfaceMobile,
	}
	mobileConsent = SessionFeatures{Surface: SurfaceMobile, Save: true, SaveAs: "limited"}
)

// narrowings are requests for session features, and the pointers at which they exceed those allowed.
var narrowings = []struct {
	name        string
	most, asked SessionFeatures
	wider       []string // pointers
}{
	{"the same", mostFeatures, mostFeatures, nil},
	{"nothing", mostFeatures, SessionFeatures{}, nil},
	{"nothing of what is off", redisplayOff, SessionFeatures{}, nil},
	{"a subset", mostFeatures, SessionFeatures{RedisplayOnly: []string{"limited"}}, nil},
	{"no saved methods", mostFeatures, SessionFeatures{Redisplay: new(false)}, nil},
	{"saved methods", redisplayOff, SessionFeatures{Redisplay: new(true)}, []string{"/redisplay"}},
	{"more of them", mostFeatures, SessionFeatures{RedisplayLimit: new(6)}, []string{"/redisplay_limit"}},
	{
		"more than the default",
		SessionFeatures{},
		SessionFeatures{RedisplayLimit: new(5)},
		[]string{"/redisplay_limit"},
	},
	{
		"other filters", mostFeatures,
		SessionFeatures{RedisplayOnly: []string{"always", "unspecified"}},
		[]string{"/allow_redisplay_filters"},
	},
	{
		"other than the default",
		SessionFeatures{},
		SessionFeatures{RedisplayOnly: []string{"limited"}},
		[]string{"/allow_redisplay_filters"},
	},
	{
		"saving for another use", mostFeatures,
		SessionFeatures{Save: true, SaveUsage: "on_session"},
		[]string{"/save_usage"},
	},
	{"saving", SessionFeatures{}, SessionFeatures{Save: true, SaveUsage: "on_session"}, []string{"/save"}},
	{"removing", mostFeatures, SessionFeatures{Remove: true}, []string{"/remove"}},
	{"another surface", mostFeatures, SessionFeatures{Surface: SurfaceMobile}, []string{"/surface"}},
	{"consent, left out", mobileConsent, SessionFeatures{}, nil},
	{"other consent", mobileConsent, SessionFeatures{SaveAs: "always"}, []string{"/save_allow_redisplay"}},
	{
		"consent where none was given",
		SessionFeatures{Surface: SurfaceMobile},
		SessionFeatures{SaveAs: "always"},
		[]string{"/save_allow_redisplay"},
	},
	{"web, by its name", mostFeatures, SessionFeatures{Surface: SurfaceWeb}, nil},
}

// TestNarrow: a request may narrow the allowed features. Each member that widens them is named. A member that is left
// out never widens them.
func TestNarrow(t *testing.T) {
	for _, tt := range narrowings {
		got, wider := tt.most.Narrow(tt.asked, "")
		var where []string
		for _, f := range wider {
			where = append(where, f.Pointer)
		}
		if !slices.Equal(where, tt.wider) {
			t.Errorf("%s: wider at %v, want %v", tt.name, where, tt.wider)
		}
		if _, again := tt.most.Narrow(got, ""); len(tt.wider) == 0 && len(again) > 0 {
			t.Errorf("%s: the result %+v is wider at %v", tt.name, got, again)
		}
	}
}

// TestCustomerOf: CustomerOf returns the customer in a rendered view, and is not misled by similar text.
func TestCustomerOf(t *testing.T) {
	for customer, metadata := range map[CustomerID]map[string]string{
		"cus_1": {`,"customer":"cus_2"`: `"customer":"cus_3"`}, "": {"customer": "cus_2"},
	} {
		v := View{tokenView: tokenView{Customer: optional(customer), Metadata: metadata}}
		v.Order = `,"customer":"cus_4"`
		if got := CustomerOf(v.encode()); got != customer {
			t.Errorf("got %q, want %q", got, customer)
		}
	}
	if got := CustomerOf(nil); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestAnotherCustomersTokenIsAConflict: a token of another customer is refused with order_conflict, also if the order
// is paid. The error shows no payment.
func TestAnotherCustomersTokenIsAConflict(t *testing.T) {
	o, _ := follow(openOrder("pi_1"), seenAs("pi_1", 1, event("evt_1", 10, succeeded("ch_1"))))
	r := CreateRequest{Order: "order-1", Terms: price, Rev: 9}
	r.Terms.Customer = "cus_2"
	step := o.NextStep(r, "me", noon)
	e, ok := step.Err.(*Error) //nolint:errorlint // NextStep does not wrap it
	if !ok || step.Kind != StepRefuse || e.Code != CodeOrderConflict || e.Payment != nil {
		t.Errorf("step is %+v", step)
	}
}
