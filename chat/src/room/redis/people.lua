-- Who is in which room, on all servers together. ARGV: what to do, the server, then what it needs.

-- Counts a server more or less for somebody in a room, and tells everybody if that was the first or the last.
local function count(room, id, name, change)
  local here = 'chat:here:' .. room
  local before = redis.call('HGET', here, id) or '0 ' .. name
  local servers, name = string.match(before, '^(%d+) (.*)$')
  servers = servers + change
  local event
  if servers < 1 then
    redis.call('HDEL', here, id)
    event = 'left'
  else
    redis.call('HSET', here, id, string.format('%d', servers) .. ' ' .. name)
    if servers == 1 and change == 1 then event = 'joined' end
  end
  if not event then return end
  -- The version begins with the time, so that one of a roster that was lost is never taken for a newer one.
  local now = redis.call('TIME')
  redis.call('HSETNX', here, 'version', string.format('%.0f', now[1] * 1e6 + now[2]))
  local version = redis.call('HINCRBY', here, 'version', 1)
  if redis.call('HLEN', here) == 1 then redis.call('DEL', here) end
  version = string.format('%.0f', version)
  redis.call('PUBLISH', 'chat:moved', cjson.encode({ room, version, event, id, name }))
end

local function leave(server, room, id)
  if redis.call('SREM', 'chat:server:' .. server, room .. ' ' .. id) == 1 then count(room, id, '', -1) end
end

local todo = {}

-- room, user, name
function todo.enter(server, room, id, name)
  if redis.call('SADD', 'chat:server:' .. server, room .. ' ' .. id) == 1 then count(room, id, name, 1) end
end

-- room, user
todo.leave = leave

-- For how many seconds the server is to be taken for alive. Whoever was not heard of in time is taken for
-- dead. Returns whether the server was known to be alive.
function todo.alive(server, seconds)
  local now = tonumber(redis.call('TIME')[1])
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', 'chat:servers', '-inf', now)) do
    for _, member in ipairs(redis.call('SMEMBERS', 'chat:server:' .. dead)) do
      leave(dead, string.match(member, '^(%S+) (.*)$'))
    end
    redis.call('ZREM', 'chat:servers', dead)
  end
  redis.call('PUBLISH', 'chat:alive', '[]')
  return redis.call('ZADD', 'chat:servers', now + seconds, server) == 0
end

return todo[ARGV[1]](unpack(ARGV, 2))
