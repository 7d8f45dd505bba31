# Prints the bytes of a binary by group of packages, from its symbols:
#
#   go build -o bin/kasse ./cmd/kasse
#   go tool nm -size bin/kasse | awk -f test/bench/size.awk | sort -rn
#
# The table of functions and lines (.gopclntab) and the descriptions of types have no symbols, so they are left out.

$3 !~ /^[tTrRdD]$/ || /drbg[.]memory/ { next } # zeroed memory takes no space in the file

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
