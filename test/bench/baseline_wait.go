package main

import (
	"io"
	"net/http"
	"sync"
)

// bareWait is a net/http handler that waits on a channel. GET /wait/… is answered at the next POST /change/….
func bareWait() http.Handler {
	var mu sync.Mutex
	waiting := map[string]chan struct{}{}
	channel := func(id string) chan struct{} {
		if waiting[id] == nil {
			waiting[id] = make(chan struct{})
		}
		return waiting[id]
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /wait/{id}", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		changed := channel(r.PathValue("id"))
		mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, bareView)
	})
	mux.HandleFunc("POST /change/{id}", func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		close(channel(r.PathValue("id")))
		delete(waiting, r.PathValue("id"))
		mu.Unlock()
	})
	return mux
}
