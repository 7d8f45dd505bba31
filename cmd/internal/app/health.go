package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Healthcheck requests /livez of the process on this machine. It is for Docker, since the image has no curl.
func Healthcheck(ctx context.Context, adminAddr string) error {
	host, port, err := net.SplitHostPort(adminAddr)
	if err != nil {
		return fmt.Errorf("ADMIN_ADDR: %w", err)
	}
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(
		ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/livez", nil,
	)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("no server answers at ADMIN_ADDR: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // read to the end below is not needed
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the program at ADMIN_ADDR answers /livez with %d: it is not kasse", response.StatusCode)
	}
	return nil
}
