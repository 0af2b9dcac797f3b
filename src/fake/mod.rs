//! A scripted registry on loopback, for `demo` and for tests alike.
