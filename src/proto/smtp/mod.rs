//! SMTP (RFC 5321), both sides.
