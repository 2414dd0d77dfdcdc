#!lua flags=allow-oom
-- Manages the members of all rooms on all servers. Runs even when Redis is out of memory, because a server that cannot
-- renew its lease would lose its members.
-- ARGV: the command, the server, and the arguments of the command.
local commands = {}

-- Adds `change`, 1 or -1, to the number of servers to which a member is connected. Publishes `joined` for the first
-- server, and `left` for the last.
local function count(room, user, name, change)
  local members = 'chat:members:' .. room
  local before = redis.call('HGET', members, user) or '0 ' .. name
  local servers, name = string.match(before, '^(%d+) (.*)$')
  servers = servers + change
  local event
  if servers < 1 then
    redis.call('HDEL', members, user)
    event = 'left'
  else
    redis.call('HSET', members, user, string.format('%d', servers) .. ' ' .. name)
    if servers == 1 and change == 1 then event = 'joined' end
  end
  if not event then return end
  -- The first version is the time, so that the versions of a roster that was lost are always older.
  local now = redis.call('TIME')
  redis.call('HSETNX', members, 'version', string.format('%.0f', now[1] * 1e6 + now[2]))
  local version = redis.call('HINCRBY', members, 'version', 1)
  if redis.call('HLEN', members) == 1 then redis.call('DEL', members) end
  version = string.format('%.0f', version)
  redis.call('PUBLISH', 'chat:presence', cjson.encode({ room, version, event, user, name }))
end

-- Adds members of a server.
-- Arguments: room, user and name of each.
function commands.join(server, ...)
  local args = { ... }
  -- The members of a server without a lease would never be removed.
  if not redis.call('ZSCORE', 'chat:servers', server) then return redis.error_reply('ERR the lease has run out') end
  for i = 1, #args, 3 do
    local room, user = args[i], args[i + 1]
    if redis.call('SADD', 'chat:server:' .. server, room .. ' ' .. user) == 1 then count(room, user, args[i + 2], 1) end
  end
end

-- Removes members of a server.
-- Arguments: room, user and name of each. The name is not used.
function commands.leave(server, ...)
  local args = { ... }
  for i = 1, #args, 3 do
    local room, user = args[i], args[i + 1]
    if redis.call('SREM', 'chat:server:' .. server, room .. ' ' .. user) == 1 then count(room, user, '', -1) end
  end
end

-- Publishes which users are typing, except those who are not in the room on any server.
-- Arguments: room, user and name of each.
function commands.typing(_, ...)
  local args = { ... }
  for i = 1, #args, 3 do
    local room, user, name = args[i], args[i + 1], args[i + 2]
    if redis.call('HEXISTS', 'chat:members:' .. room, user) == 1 then
      redis.call('PUBLISH', 'chat:typing', cjson.encode({ room, user, name }))
    end
  end
end

-- Returns the time in seconds, with a fraction.
local function time()
  local now = redis.call('TIME')
  return now[1] + now[2] / 1e6
end

-- Renews the lease of a server, and removes the members of servers whose lease has run out. Returns how many members
-- the server has, in all rooms together, and in how many milliseconds the next lease of any server runs out.
-- Arguments: the length of the lease in seconds.
function commands.heartbeat(server, seconds)
  local now = time()
  if redis.call('ZCOUNT', 'chat:servers', now + seconds / 2, '+inf') == 0 then
    -- No server has sent a heartbeat, so Redis was probably not available. All leases begin again.
    for _, other in ipairs(redis.call('ZRANGE', 'chat:servers', 0, -1)) do
      redis.call('ZADD', 'chat:servers', now + seconds, other)
    end
  end
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', 'chat:servers', '-inf', now)) do
    -- If there are more members, the next heartbeats remove them.
    for _, member in ipairs(redis.call('SRANDMEMBER', 'chat:server:' .. dead, 500)) do
      commands.leave(dead, string.match(member, '^(%S+) (.*)$'))
    end
    if redis.call('EXISTS', 'chat:server:' .. dead) == 0 then redis.call('ZREM', 'chat:servers', dead) end
  end
  redis.call('PUBLISH', 'chat:heartbeat', '[]')
  redis.call('ZADD', 'chat:servers', now + seconds, server)
  local next_end = redis.call('ZRANGE', 'chat:servers', 0, 0, 'WITHSCORES')[2]
  return { redis.call('SCARD', 'chat:server:' .. server), math.max(0, math.ceil((next_end - now) * 1000)) }
end

-- Shortens the lease of a server that is stopping.
-- Arguments: the rest of the lease in seconds.
function commands.stop(server, seconds)
  redis.call('ZADD', 'chat:servers', 'XX', time() + seconds, server)
end

return commands[ARGV[1]](unpack(ARGV, 2))
