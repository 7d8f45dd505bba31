package stripesim

import "net/http"

// Control is the control surface: JSON over HTTP, for a listener of its own, since whoever reaches it rules the simulator.
func (s *Server) Control() http.Handler { return http.NewServeMux() }
