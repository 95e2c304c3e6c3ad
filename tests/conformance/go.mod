// What `make conformance` builds h2spec from: the last version that the module proxies hand out.
module ferryman.invalid/tests/conformance

go 1.18

require (
	github.com/fatih/color v1.17.0
	github.com/spf13/cobra v1.8.1
	github.com/summerwind/h2spec v2.2.1+incompatible
	golang.org/x/net v0.28.0
)
