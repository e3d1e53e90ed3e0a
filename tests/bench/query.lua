-- sysbench's oltp_point_select: a row by its key, over and over, in prepared
-- statements.  Prints what `load' would of it, between the first second and
-- the last.
require("oltp_common")

sysbench.cmdline.options.cpu_file = {"A cgroup's CPU time", ""}
sysbench.cmdline.options.seconds = {"How long is measured", 1}

function prepare_statements()
	sysbench.opt.point_selects = 1
	prepare_point_selects()
end

function event()
	execute_point_selects()
end

-- In ns, as read_cpu() of tally.c has it.
local function read_cpu()
	if sysbench.opt.cpu_file == "" then
		return 0
	end
	local f = assert(io.open(sysbench.opt.cpu_file))
	local word = f:read("*l")
	f:close()
	local usec = word:match("^usage_usec (%d+)")
	return usec and usec * 1000 or tonumber(word)
end

local turns, cpu = 0, 0
local events, seconds, p50 = 0, 0, 0

-- Called each second, in a state of its own, which no other hook sees.
function sysbench.hooks.report_intermediate(stat)
	local last = sysbench.opt.seconds + 1
	turns = turns + 1
	if turns == 1 then
		cpu = read_cpu()
	elseif turns <= last then
		events = events + stat.events
		seconds = seconds + stat.time_interval
		p50 = p50 + stat.latency_pct * stat.events
	end
	if turns == last and events > 0 then
		print(string.format("done=%d rate=%.1f p50_us=%.2f " ..
		    "avg_us=%.2f cpu_ns=%.0f", events, events / seconds,
		    p50 / events * 1e6,
		    sysbench.opt.threads * seconds / events * 1e6,
		    read_cpu() - cpu))
	end
end

function sysbench.hooks.report_cumulative(stat)
	if stat.errors > 0 then
		error("errors of MySQL: " .. stat.errors)
	end
	print("all=" .. stat.events)
end
