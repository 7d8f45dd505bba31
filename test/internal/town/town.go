// Package town is what stands around Kasse in the programs that break it or wear it out: a Stripe that knows the
// truth and its courier, a redis-server and a look at all that it keeps, and the server processes themselves.
package town
