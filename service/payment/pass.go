package payment

import (
	"errors"
	"time"

	json "github.com/go-json-experiment/json/v1"
)

// PassRequest asks the process that catches up and sweeps for one pass of both.
type PassRequest struct {
	ID     string
	From   time.Time // of Stripe's events, and of the successes to verify; whole seconds
	Verify bool      // also read every payment that has succeeded since From
}

// CatchUp is how far Stripe's events have been caught up with, at the start of a pass.
type CatchUp struct {
	Done time.Time // all earlier events are applied; zero: there was no pass yet
	Now  time.Time // by Redis's clock; the next cursor
	// Masters identifies the history of each master of Redis, which a failover or a restart replaces. It is empty if
	// Redis refuses to show it.
	Masters string
}

// ErrFailover reports that a master of Redis was replaced during a pass, and may have lost what the pass wrote before.
var ErrFailover = errors.New("a master of Redis was replaced or restarted during the pass")

// PassStanding is the state of a requested pass.
type PassStanding struct {
	First   bool   // no other unfinished request is older
	Started bool   // a process has begun
	Holder  string // server that runs it; after its death another one starts again
	Done    bool
	PassResult
}

// PassResult is the progress of a pass, and its result once it has ended.
type PassResult struct {
	Events      int      `json:"events"`       // of Stripe's, looked at
	Applied     int      `json:"applied"`      // events that no webhook had brought
	Read        int      `json:"read"`         // payments that Stripe was asked about
	Verified    int      `json:"verified"`     // successes that were read for that
	Denied      []Denied `json:"denied"`       // the first of those that Stripe does not know to be paid
	DeniedCount int      `json:"denied_count"` // of all of those
	Failed      string   `json:"failed"`       // why; empty: it did not fail
}

// Denied is a payment whose success Stripe does not know.
type Denied struct {
	Payment ID      `json:"payment_intent"`
	Order   OrderID `json:"order_id"`
}

// Encode returns the result as it is stored.
func (r PassResult) Encode() []byte {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // it has no value that JSON cannot hold
	}
	return text
}

// DecodePassResult decodes the output of Encode. An empty text is a pass without a result so far.
func DecodePassResult(stored []byte) (r PassResult, err error) {
	if len(stored) > 0 {
		err = json.Unmarshal(stored, &r)
	}
	return r, err
}
