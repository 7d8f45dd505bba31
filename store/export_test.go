package store

// Unconfirmed is how many writes wait for a pipeline to the replicas of their server.
func (s *Store) Unconfirmed() (count int) {
	s.confirms.mu.Lock()
	defer s.confirms.mu.Unlock()
	for _, q := range s.confirms.servers {
		count += len(q.waiting)
	}
	return count
}
