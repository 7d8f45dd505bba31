package stripesim

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"time"
)

// keyLife is how long Stripe stores an idempotency key: https://docs.stripe.com/api/idempotent_requests.
const keyLife = 24 * time.Hour

// keyed is the entry of an idempotency key: its first request, and the response once there is one.
type keyed struct {
	print   [sha256.Size]byte
	path    string
	made    time.Time
	running bool
	answer  answer
}

// once executes a POST at most once for its idempotency key. Earlier refusals leave no entry, as at Stripe.
func (s *Server) once(c *call, run func() answer) answer {
	key := c.Header.Get("Idempotency-Key")
	if c.Method != http.MethodPost || key == "" {
		return run()
	}
	if len(key) > 255 {
		return refuse(invalid("", "", "Idempotency keys can have up to 255 characters."), c.reqID)
	}
	entry, settled, f := s.claim(key, c)
	if f != nil {
		return refuse(f, c.reqID)
	}
	if settled {
		return entry.answer.again()
	}
	done := run()
	s.mu.Lock()
	defer s.mu.Unlock()
	entry.answer, entry.running = done, false
	return done
}

// claim finds or creates the key's entry; settled reports whether its response can be replayed.
func (s *Server) claim(key string, c *call) (entry *keyed, settled bool, f *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, print := s.account.now(), fingerprint(c)
	entry, known := s.account.keys[key]
	switch {
	case !known || now.Sub(entry.made) >= keyLife && !entry.running:
		entry = &keyed{print: print, path: c.URL.Path, made: now, running: true}
		s.account.keys[key] = entry
		return entry, false, nil
	case entry.path != c.URL.Path:
		return nil, false, misused(textOtherEndpoint, c.URL.Path, entry.path, key)
	case entry.print != print:
		return nil, false, misused(textOtherParameters, key)
	case entry.running:
		return nil, false, keyInUse(key)
	}
	return entry, true, nil
}

func misused(message string, args ...any) *failure {
	f := invalid("", "", message, args...)
	f.Type = typeIdempotency
	return f
}

func keyInUse(key string) *failure {
	return invalid("idempotency_key_in_use", "", textKeyInUse, key).withStatus(http.StatusConflict)
}

// fingerprint covers the parameters, but not their order or encoding: maps are marshalled by sorted key.
func fingerprint(c *call) [sha256.Size]byte {
	raw, err := json.Marshal(c.params)
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(raw)
}

// again is the same response, marked as a replay.
func (a answer) again() answer {
	a.replay = true
	return a
}
