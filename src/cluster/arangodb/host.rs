//! What one machine shows of its starter and servers -> members.
//! (filled below)
