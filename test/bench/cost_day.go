package main

import "fmt"

// A day's orders, and how they come.
const (
	dayOrders  = 1_000_000
	dayPeak    = 10 // the busiest second has ten times the orders of the day's mean
	daySeconds = 86_400
	dayServers = 2 // processes of Kasse, for availability
)

// dayRequest is a part of what an order needs.
type dayRequest struct {
	what  string
	count float64 // of an order
	cost  func(of func(task string) spent) spent
}

// dayOrder is what an order needs from its opening to its fulfilment.
var dayOrder = []dayRequest{
	{taskCreate, 1, task(taskCreate)},
	{taskMiss, 2, task(taskMiss)},
	{taskRead, 2, task(taskRead)},
	{taskUnchanged, 2, task(taskUnchanged)},
	{"an answer to a waiting page, and its next request", 2, func(of func(string) spent) spent {
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

// orderCost is what one order costs, in microseconds.
func orderCost(of func(task string) spent) (all spent) {
	for _, r := range dayOrder {
		all = all.plus(r.cost(of).times(r.count))
	}
	return all
}

// coresFor returns the cores that are busy at the peak of a day, and on the day's average. It takes the orders of a
// day, the microseconds of an order, the idle time of one server in per cent of a core, and the number of servers.
func coresFor(orders float64, order, idle spent, servers float64) (peak, mean spent) {
	const microseconds = 1e6
	mean = order.times(orders / daySeconds / microseconds)
	idle = idle.times(0.01) // it is in per cent of a core
	idle.kasse *= servers
	return mean.times(dayPeak).plus(idle), mean.plus(idle)
}

// dayTables prints what one order costs, and what a day of orders needs.
func (b *bench) dayTables() {
	fmt.Fprint(b.out, "\nProcessor time of one order in µs: Kasse + masters + replicas + sentinels.\n")
	b.costHead("what an order needs", "times")
	for _, r := range dayOrder {
		b.costRow(fmt.Sprintf("%s | %g", r.what, r.count), func(mode string) string {
			return r.cost(b.costsIn(mode)).times(r.count).String()
		})
	}
	b.costRow("**one order** |", func(mode string) string { return orderCost(b.costsIn(mode)).String() })
	fmt.Fprintf(b.out, "\nBusy cores for %s orders a day: Kasse + masters + replicas + sentinels.\n", thousands(dayOrders))
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

// costsIn returns what a task costs in a setup.
func (b *bench) costsIn(mode string) func(task string) spent {
	return func(task string) spent { return b.costOf(mode, task) }
}
