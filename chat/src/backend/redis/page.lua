#!lua flags=no-writes
-- Reads the log of a room at one moment.
-- ARGV: room, the first id to read, how many entries to read.
-- Returns three lists: the first entry of the log, its last entry, and the entries from that id on.
local room, from, count = unpack(ARGV)
local log = 'chat:log:' .. room
return {
  redis.call('XRANGE', log, '-', '+', 'COUNT', 1),
  redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1),
  redis.call('XRANGE', log, from, '+', 'COUNT', count),
}
