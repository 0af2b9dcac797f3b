//! Whole flows against the scripted registry.
