// connect, on, emit: one API over three transports. It is on its way.
