package main

import "fmt"

// The load of a day.
const (
	dayOrders  = 1_000_000
	dayPeak    = 10 // the busiest second has ten times the orders of the day's mean
	daySeconds = 86_400
	dayServers = 2 // processes of Kasse, for availability
)

// dayRequest is one kind of request of an order.
type dayRequest struct {
	what  string
	count float64 // requests per order
	cost  func(of func(task string) spent) spent
}

// dayOrder lists the requests of an order from its opening to its fulfilment.
var dayOrder = []dayRequest{
	{taskCreate, 1, task(taskCreate)},
	{taskMiss, 2, task(taskMiss)},
	{taskRead, 2, task(taskRead)},
	{taskUnchanged, 2, task(taskUnchanged)},
	{"a response to a waiting page, and its next request", 2, func(of func(string) spent) spent {
		return of(taskWaiting).minus(of(taskChange)).positive()
	}},
	{taskNothing, 1, task(taskNothing)},
	{taskCharge, 1, task(taskCharge)},
	{taskChange, 1, task(taskChange)},
	{taskSuccess, 1, task(taskSuccess)},
	{"a push of an event", 1, func(of func(string) spent) spent {
		return of(taskPushSuccess).minus(of(taskSuccess)).positive()
	}},
}

func task(name string) func(func(string) spent) spent {
	return func(of func(string) spent) spent { return of(name) }
}

// orderCost returns the processor time of one order, in microseconds.
func orderCost(of func(task string) spent) (all spent) {
	for _, r := range dayOrder {
		all = all.plus(r.cost(of).times(r.count))
	}
	return all
}

// coresFor returns the busy cores at a day's peak, and on the day's average. It takes the number of orders of a day,
// the microseconds of one order, the idle time of one server in per cent of a core, and the number of servers.
func coresFor(orders float64, order, idle spent, servers float64) (peak, mean spent) {
	const microseconds = 1e6
	mean = order.times(orders / daySeconds / microseconds)
	idle = idle.times(0.01)
	idle.kasse *= servers
	return mean.times(dayPeak).plus(idle), mean.plus(idle)
}

// dayTables prints the processor time of one order, and the busy cores for a day's orders.
func (b *bench) dayTables() {
	fmt.Fprint(b.out, "\nProcessor time of one order in µs: Kasse + masters + replicas + sentinels.\n")
	b.costHead("request of an order", "times")
	for _, r := range dayOrder {
		b.costRow(fmt.Sprintf("%s | %g", r.what, r.count), func(mode string) string {
			return r.cost(b.costsIn(mode)).times(r.count).String()
		})
	}
	b.costRow("**one order** |", func(mode string) string { return orderCost(b.costsIn(mode)).String() })
	fmt.Fprintf(
		b.out, "\nBusy cores for %s orders a day: Kasse + masters + replicas + sentinels.\n", thousands(dayOrders),
	)
	b.costHead("when")
	for _, when := range []string{"mean of the day", fmt.Sprintf("peak, %d × the mean", dayPeak)} {
		b.costRow(when, func(mode string) string {
			peak, mean := coresFor(
				dayOrders, orderCost(b.costsIn(mode)), b.costMedian(mode, taskIdle, "%core"), dayServers,
			)
			if when == "mean of the day" {
				return mean.text("%.2f")
			}
			return peak.text("%.2f")
		})
	}
}

// costsIn returns a function that returns the cost of a task in a setup.
func (b *bench) costsIn(mode string) func(task string) spent {
	return func(task string) spent { return b.costOf(mode, task) }
}
