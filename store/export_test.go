package store

// Unconfirmed returns how many writes wait for a pipeline in which the replicas of their server confirm them.
func (s *Store) Unconfirmed() (count int) {
	s.confirms.mu.Lock()
	defer s.confirms.mu.Unlock()
	for _, q := range s.confirms.servers {
		count += len(q.waiting)
	}
	return count
}
