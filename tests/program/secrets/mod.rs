//! Where credentials come from, and that none is ever shown.

mod credentials;
mod mounted;
mod never_shown;
mod secret_files;
