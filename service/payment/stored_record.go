package payment

func (r *Record) code(c *coder) {
	c.secs(1, &r.Created)
	pointer(c, 2, &r.Creation, (*Observation).code)
	list(c, 3, &r.Recent, (*Observation).code)
	list(c, 4, &r.Terminal, (*Observation).code)
	list(c, 5, &r.Reads, (*Read).code)
	numberField(c, 6, &r.Received)
	texts(c, 7, &r.Failures)
	c.secs(8, &r.StaleAt)
	mapField(c, 9, &r.Refunds, (*Refund).code)
	list(c, 10, &r.RefundedTotals, (*RefundedTotal).code)
	mapField(c, 11, &r.Disputes, codeDisputes)
	pointer(c, 12, &r.Listing, (*RefundListing).code)
	c.secs(13, &r.UnreadAt)
	c.secs(14, &r.ReadAt)
	c.yes(15, &r.Unlisted)
	mapField(c, 16, &r.Charges, (*ChargeDetails).code)
	mapField(c, 17, &r.Reviews, (*Review).code)
	c.secs(18, &r.Vouched)
	texts(c, 19, &r.Claims)
	texts(c, 20, &r.Denied)
	c.close(&r.Added)
}

func (s *Observation) code(c *coder) {
	s.codeFields(c)
	c.close(&s.Added)
}

// codeFields uses the tags up to 30.
func (s *Observation) codeFields(c *coder) {
	c.secs(1, &s.At)
	textField(c, 2, &s.Event)
	textField(c, 3, &s.APIVersion)
	textField(c, 4, &s.Status)
	numberField(c, 5, &s.Amount)
	numberField(c, 6, &s.AmountReceived)
	textField(c, 7, &s.Currency)
	textField(c, 8, &s.Customer)
	textField(c, 9, &s.CaptureMethod)
	textField(c, 10, &s.SetupFutureUsage)
	c.yes(11, &s.Charge.Unknown)
	textField(c, 12, &s.Charge.ID)
	codeMetadata(c, 13, &s.Metadata)
	numberField(c, 14, &s.AmountCapturable)
	failed := s.Failure != nil
	if c.yes(15, &failed); failed {
		if c.reading {
			s.Failure = new(Failure)
		}
		textField(c, 16, &s.Failure.Code)
		textField(c, 17, &s.Failure.DeclineCode)
		textField(c, 18, &s.Failure.Charge)
	}
	textField(c, 19, &s.Action.Type)
	c.secs(20, &s.Action.ExpiresAt)
	textField(c, 21, &s.Review)
	c.yes(22, &s.Vouched)
}

// codeMetadata codes keys and values in turns, by ascending keys.
func codeMetadata(c *coder, tag int, metadata *map[string]string) {
	var pairs []string
	if !c.reading && len(*metadata) > 0 {
		pairs = make([]string, 0, 2*len(*metadata))
		for _, key := range sortedKeys(*metadata) {
			pairs = append(pairs, key, (*metadata)[key])
		}
	}
	texts(c, tag, &pairs)
	if !c.reading || len(pairs) == 0 {
		return
	}
	*metadata = make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		(*metadata)[pairs[i]] = pairs[i+1]
	}
}

func (a *Read) code(c *coder) {
	a.codeFields(c)
	texts(c, 31, &a.IDs)
	texts(c, 32, &a.KnownBefore)
	c.secs(33, &a.CaptureBefore)
	c.close(&a.Added)
}

func (f *Refund) code(c *coder) {
	textField(c, 2, &f.Status)
	numberField(c, 3, &f.Amount)
	textField(c, 4, &f.Reason)
	c.secs(5, &f.Created)
	textField(c, 6, &f.Call)
	c.close(&f.Added)
}

func (f *RefundedTotal) code(c *coder) {
	c.secs(1, &f.At)
	textField(c, 2, &f.Event)
	numberField(c, 3, &f.Amount)
	c.close(&f.Added)
}

func codeDisputes(kept *[]Dispute, c *coder) {
	list(c, 2, kept, (*Dispute).code)
	var added Added // of the list itself: none
	c.close(&added)
}

func (d *Dispute) code(c *coder) {
	c.secs(1, &d.At)
	textField(c, 2, &d.Event)
	textField(c, 3, &d.Status)
	numberField(c, 4, &d.Amount)
	c.secs(5, &d.Created)
	c.close(&d.Added)
}

func (l *RefundListing) code(c *coder) {
	c.secs(1, &l.At)
	texts(c, 2, &l.KnownBefore)
	c.close(&l.Added)
}

func (d *ChargeDetails) code(c *coder) {
	c.secs(2, &d.At)
	c.yes(3, &d.Answered)
	textField(c, 4, &d.Type)
	textField(c, 5, &d.Brand)
	textField(c, 6, &d.Last4)
	textField(c, 7, &d.ReceiptURL)
	c.close(&d.Added)
}

func (r *Review) code(c *coder) {
	textField(c, 2, &r.Reason)
	c.secs(3, &r.OpenedAt)
	c.yes(4, &r.Closed)
	textField(c, 5, &r.ClosedReason)
	c.close(&r.Added)
}
