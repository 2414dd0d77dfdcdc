// The page, written on socket.js. It is on its way.
