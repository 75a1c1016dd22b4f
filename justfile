# Recipes only call cargo: nothing needs `just` to be installed.

default:
    @just --list

# What CI runs: format, floors, tidy, lints, tests, documentation.
check:
    cargo xtask check

fmt:
    cargo fmt --all

lint:
    cargo xtask lint

test *args:
    cargo xtask test {{args}}

floors:
    cargo xtask floors

dependencies:
    cargo xtask dependencies

tidy:
    cargo xtask tidy

doc:
    cargo xtask doc

bugs:
    cargo xtask bugs

# A seed of the simulator, with everything about it.
sim seed:
    cargo run --release -p tenon-sim -- replay {{seed}}

# A night: all crash points, disk errors, kills, seeds, planted bugs, fuzzing. Parts may be named.
t2 *args:
    cargo xtask t2 {{args}}

# A day on a machine of its own: power cuts, the archive, more seeds.
t3 *args:
    cargo xtask t3 {{args}}

# A virtual machine whose power goes: --count N, --without-sync.
power-cuts *args:
    cargo xtask power-cuts {{args}}

web:
    cargo xtask web

browser:
    cargo xtask browser

run *args:
    cargo run --release -p tenon-server -- serve --data ./data {{args}}
