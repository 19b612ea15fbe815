import { type Script, script } from "#store";

/**
 * Judges and takes the demands of several calls, each call's all or none, by the clock of the store.
 *
 * KEYS: one a demand, in order. ARGV: for each call the number of its demands, and for each of those the milliseconds
 * after which a unit comes back, the burst, the units that are asked for (fewer than none are given back), and 1 when it is
 * enforced. Returns two integers a demand: millionths of units that are available, and microseconds to wait.
 *
 * A key holds two doubles: units that were taken and have not come back, and when that was so. It expires when all of
 * them have, and so says nothing that its absence does not.
 */
export const takeScript: Script = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local answer = {}
local k, a = 1, 1
while a <= #ARGV do
  local count = tonumber(ARGV[a])
  a = a + 1
  local taken, waits, admitted = {}, {}, true
  for i = 0, count - 1 do
    local ms, burst = tonumber(ARGV[a + 4 * i]), tonumber(ARGV[a + 4 * i + 1])
    local cost = tonumber(ARGV[a + 4 * i + 2])
    local held = redis.call('GET', KEYS[k + i])
    local level = 0
    if held and #held == 16 then
      local units, at = struct.unpack('<dd', held)
      level = math.max(0, units - math.max(0, now - at) / ms)
    end
    taken[i] = level
    local over = level + cost - burst
    waits[i] = 0
    if over > 1e-6 then
      waits[i] = over * ms
      if ARGV[a + 4 * i + 3] == '1' then admitted = false end
    end
  end
  for i = 0, count - 1 do
    local ms, burst = tonumber(ARGV[a + 4 * i]), tonumber(ARGV[a + 4 * i + 1])
    local cost = tonumber(ARGV[a + 4 * i + 2])
    if admitted and waits[i] == 0 and cost ~= 0 then
      taken[i] = math.max(0, taken[i] + cost)
      if taken[i] > 0 then
        redis.call('SET', KEYS[k + i], struct.pack('<dd', taken[i], now), 'PX', math.ceil(taken[i] * ms))
      else
        redis.call('DEL', KEYS[k + i])
      end
    end
    answer[#answer + 1] = math.floor(math.max(0, burst - taken[i]) * 1e6 + 0.5)
    answer[#answer + 1] = math.ceil(waits[i] * 1000)
  end
  k = k + count
  a = a + 4 * count
end
return answer
`);
