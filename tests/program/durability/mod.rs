//! What survives kills, power cuts, full disks and failing files; and walks that are taken up again.

mod descriptors;
mod failing_files;
mod foreign_entries;
mod full_disk;
mod kills;
mod nights;
mod power_cuts;
mod resume;
mod resume_kills;
mod signals;
