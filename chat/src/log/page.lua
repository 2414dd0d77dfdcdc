#!lua flags=no-writes
-- The first and the last message of a room, and a page of those after an id, as of one moment.
local room, after, most = unpack(ARGV)
local log = 'chat:log:' .. room
return {
  redis.call('XRANGE', log, '-', '+', 'COUNT', 1),
  redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1),
  redis.call('XRANGE', log, after, '+', 'COUNT', most),
}
