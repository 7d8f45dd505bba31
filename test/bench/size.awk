# Bytes of a binary by package, from the symbols that it has: go build -o bin/kasse ./cmd/kasse
# go tool nm -size bin/kasse | awk -f test/bench/size.awk | sort -rn
#
# Not among them: the table of functions and lines (.gopclntab), and the descriptions of types, which have no symbols.

$3 !~ /^[tTrRdD]$/ || /drbg[.]memory/ { next } # only what the file holds: zeroed memory takes no room in it

{
	name = $4
	sub(/^(go:itab[.]|type:[.](eq|hash)[.])/, "", name)
	sub(/^[*([][0-9]*[]]?[*]*/, "", name)
	sub(/\[.*/, "", name) # type arguments
	count = split(name, part, "/")
	sub(/[.(].*/, "", part[count])
	package = part[1]
	for (i = 2; i <= count; i++)
		package = package "/" part[i]
	group = "the standard library"
	if (package == "main" || package ~ /^kasse(\/|$)/)
		group = "Kasse"
	else if (part[1] ~ /[.]/)
		group = part[1] "/" part[2] (part[1] == "github.com" ? "/" part[3] : "")
	sum[group] += $2
}

END {
	for (group in sum)
		print sum[group], group
}
