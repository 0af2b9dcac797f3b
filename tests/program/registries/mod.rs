//! What registries send, real ones and hostile ones, and what is published of it.

mod accepted_loss;
mod contents;
mod discoveries;
mod docker_registry;
mod gaps;
mod hostile_contents;
mod hostile_names;
mod limits;
mod monitored;
mod nothing_readable;
mod odd_images;
mod paging;
mod pulp;
mod registry_client;
mod splitting;
mod verdicts;
mod wrong_answers;
