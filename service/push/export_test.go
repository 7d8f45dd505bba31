package push

// Public is for the table of addresses.
var Public = public
