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

web:
    cargo xtask web

browser:
    cargo xtask browser

run *args:
    cargo run --release -p tenon-server -- serve --data ./data {{args}}
