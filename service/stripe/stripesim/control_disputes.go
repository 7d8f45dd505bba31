package stripesim

// OpenDispute disputes a payment's charge and returns the dispute's id. reason is Stripe's, such as
// "fraudulent"; an inquiry moves no money.
func (s *Server) OpenDispute(paymentIntent, reason string, inquiry bool) (id string, err error) {
	kind := "chargeback"
	if inquiry {
		kind = "inquiry"
	}
	return s.dispute(paymentIntent, reason, kind)
}

// PreventDispute reports a dispute that was prevented: by blocking it or, where resolution is set,
// by giving the money back before it became a chargeback. It returns the dispute's id.
func (s *Server) PreventDispute(paymentIntent, reason string, resolution bool) (id string, err error) {
	kind := "block"
	if resolution {
		kind = "resolution"
	}
	return s.dispute(paymentIntent, reason, kind)
}

func (s *Server) dispute(paymentIntent, reason, kind string) (id string, err error) {
	err = s.withIntent(paymentIntent, func(a *account, pi *intent) *failure {
		if !pi.in(succeeded) {
			return unexpectedState(pi, "%s has no charge to dispute", pi)
		}
		ch, _ := a.charges.find(string(pi.LatestCharge))
		id = a.openDispute(ch, either(reason, "fraudulent"), kind).ID
		return nil
	})
	return id, err
}

// MoveDispute brings an open dispute to "won", "lost", "under_review" or "prevented", and a lost
// one to "appeal_needs_response" or from there to "appeal_under_review", with the events. An
// inquiry that is won or lost closes.
func (s *Server) MoveDispute(dispute, to string) error {
	return s.locked(func(a *account) error {
		d, ok := a.disputes.find(dispute)
		if !ok {
			return missing("dispute", dispute, "dispute")
		}
		if f := a.moveDispute(d, to); f != nil {
			return f
		}
		return nil
	})
}

func (a *account) moveDispute(d *dispute, to string) *failure {
	switch to {
	case "appeal_needs_response":
		if d.Status != "lost" {
			return invalid("", "", "Only a lost dispute can be appealed.")
		}
		a.appeal(d, to)
		return nil
	case "appeal_under_review":
		if d.Status != "appeal_needs_response" {
			return invalid("", "", "This dispute has no appeal that needs a response.")
		}
		a.appeal(d, to)
		return nil
	}
	if !d.open() {
		return invalid("", "", "This dispute is already closed.")
	}
	switch to {
	case "under_review":
		a.submit(d)
	case "won", "lost":
		a.decide(d, to == "won")
	case "prevented":
		a.prevent(d)
	default:
		return invalid("", "to", "Invalid outcome: %s", to)
	}
	return nil
}
