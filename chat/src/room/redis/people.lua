#!lua flags=allow-oom
-- Who is in which room, on all servers together. ARGV: what to do, the server, then what else it needs.

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

local todo = {}

-- room, user, name, and so on
function todo.enter(server, ...)
  local these = { ... }
  -- Nobody would ever take them away again.
  if not redis.call('ZSCORE', 'chat:servers', server) then return redis.error_reply('ERR not alive') end
  for i = 1, #these, 3 do
    local room, id = these[i], these[i + 1]
    if redis.call('SADD', 'chat:server:' .. server, room .. ' ' .. id) == 1 then count(room, id, these[i + 2], 1) end
  end
end

-- room, user, name, and so on
function todo.leave(server, ...)
  local these = { ... }
  for i = 1, #these, 3 do
    local room, id = these[i], these[i + 1]
    if redis.call('SREM', 'chat:server:' .. server, room .. ' ' .. id) == 1 then count(room, id, '', -1) end
  end
end

-- For how many seconds the server is to be taken for alive. Whoever was not heard of in time is taken for
-- dead. Returns in how many places people of this server are thought to be.
function todo.alive(server, seconds)
  local now = tonumber(redis.call('TIME')[1])
  local silence = now - (redis.call('GET', 'chat:time') or now)
  redis.call('SET', 'chat:time', now)
  if silence > seconds / 2 then
    -- Nobody could say anything. They have the time again.
    for _, other in ipairs(redis.call('ZRANGE', 'chat:servers', 0, -1)) do
      redis.call('ZADD', 'chat:servers', now + seconds, other)
    end
  end
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', 'chat:servers', '-inf', now)) do
    -- Not all at once if they are many: the rest next time.
    for _, member in ipairs(redis.call('SRANDMEMBER', 'chat:server:' .. dead, 500)) do
      todo.leave(dead, string.match(member, '^(%S+) (.*)$'))
    end
    if redis.call('EXISTS', 'chat:server:' .. dead) == 0 then redis.call('ZREM', 'chat:servers', dead) end
  end
  redis.call('PUBLISH', 'chat:alive', '[]')
  redis.call('ZADD', 'chat:servers', now + seconds, server)
  return redis.call('SCARD', 'chat:server:' .. server)
end

return todo[ARGV[1]](unpack(ARGV, 2))
