package sim_test

// keptSeeds are those that have failed, with what they caught. A change of the simulation may lead a seed elsewhere: then
// it is one seed more.
var keptSeeds = []struct {
	seed   uint64
	caught string
}{}
