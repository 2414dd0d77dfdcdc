// The wire: shows what client.js and the server send each other. It puts itself around `fetch`, `EventSource`
// and `WebSocket` before client.js is loaded, and watches iframes from outside; client.js knows nothing of it.

import "/shared/wire/fetch.js";
import "/shared/wire/iframe.js";
import "/shared/wire/event-source.js";
import "/shared/wire/web-socket.js";
