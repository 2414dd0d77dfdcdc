// The wire: shows what client.js and the server send each other. It puts itself around `fetch`, `EventSource` and the
// like before client.js is loaded, and observes iframes from outside; client.js knows nothing of it.

import "/shared/wire/fetch.js";
import "/shared/wire/xml-http-request.js";
import "/shared/wire/iframe.js";
import "/shared/wire/event-source.js";
import "/shared/wire/web-socket.js";
import "/shared/timeline/timeline.js";
