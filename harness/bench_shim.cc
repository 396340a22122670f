/* SPDX-License-Identifier: Apache-2.0
 *
 * Google Benchmark behind bench_shim.h; C++ because the library has no C interface. No policy.
 */
#include "bench_shim.h"

#include <cmath>
#include <exception>
#include <list>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

struct jd_bench_state {
    benchmark::State *state;
    bool *has_failed; // the case's, over all repetitions
    bool is_over;     // the loop has ended: asking the library again would break its timer
};

namespace
{

struct Case {
    jd_bench_case_fn call;
    void *context;
    bool has_failed;
};

std::list<Case> cases; // addresses stay while the library holds them

// Everything that may throw goes through here.
template <typename Body> int guarded(struct jd_error *err, Body body)
{
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return jd_fail(err, JD_E_NO_MEMORY, "benchmark", "out of memory");
    } catch (const std::exception &e) {
        return jd_fail(err, JD_E_INTERNAL, "benchmark", "%s", e.what());
    } catch (...) {
        return jd_fail(err, JD_E_INTERNAL, "benchmark", "unknown exception");
    }
}

class Collector : public benchmark::BenchmarkReporter
{
  public:
    Collector(jd_bench_result_fn result, jd_bench_counter_fn counter, void *user)
        : on_result(result), on_counter(counter), context(user)
    {
    }

    bool ReportContext(const Context &) override
    {
        return true;
    }

    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &run : runs)
            if (run.run_type == Run::RT_Iteration)
                take(run);
    }

    struct jd_bench_counts counts = {};
    std::string first_error;

  private:
    void take(const Run &run)
    {
        std::string name = run.benchmark_name(), error = run.error_message;
        struct jd_bench_result result = {};
        bool has_numbers = !run.error_occurred && run.iterations > 0;
        if (has_numbers) {
            double to_ns = 1e9 / benchmark::GetTimeUnitMultiplier(run.time_unit);
            result.real_ns = run.GetAdjustedRealTime() * to_ns;
            result.cpu_ns = run.GetAdjustedCPUTime() * to_ns;
            has_numbers = std::isfinite(result.real_ns) && std::isfinite(result.cpu_ns);
        }
        if (!has_numbers) {
            if (error.empty())
                error = "no time was measured";
            if (first_error.empty())
                first_error = error;
            result.real_ns = result.cpu_ns = 0;
        }
        counts.results += has_numbers;
        counts.errors += !has_numbers;
        result.name = name.c_str();
        result.label = run.report_label.c_str();
        result.error = has_numbers ? nullptr : error.c_str();
        result.repetition = run.repetition_index;
        result.iterations = static_cast<uint64_t>(run.iterations);
        if (on_result)
            on_result(context, &result);
        if (on_counter && has_numbers)
            for (const auto &counter : run.counters)
                on_counter(context, counter.first.c_str(), counter.second.value);
    }

    jd_bench_result_fn on_result;
    jd_bench_counter_fn on_counter;
    void *context;
};

void run_case(benchmark::State &state, Case *one)
{
    struct jd_bench_state handle = {&state, &one->has_failed, false};
    if (one->has_failed)
        jd_bench_skip(&handle, "failed in an earlier repetition");
    else
        one->call(&handle, one->context);
    // The library wants its loop finished, whatever a case did.
    while (jd_bench_keep_running(&handle, 1))
        ;
}

} // namespace

int jd_bench_init(const char *const *flags, size_t count, struct jd_error *err)
{
    return guarded(err, [&] {
        // The library keeps pointers into its arguments.
        static std::vector<std::string> kept;
        static std::vector<char *> argv;
        kept.assign(1, "jitduel");
        kept.insert(kept.end(), flags, flags + count);
        argv.clear();
        for (std::string &word : kept) {
            if (&word != &kept[0] && word.rfind("--benchmark_", 0) != 0)
                return jd_fail(err, JD_E_USAGE, word.c_str(),
                               "only --benchmark_* options may follow --");
            argv.push_back(&word[0]);
        }
        argv.push_back(nullptr);
        int argc = static_cast<int>(kept.size());
        benchmark::Initialize(&argc, argv.data());
        if (argc > 1)
            return jd_fail(err, JD_E_USAGE, argv[1], "Google Benchmark does not know this option");
        return static_cast<int>(JD_OK);
    });
}

int jd_bench_add_context(const char *key, const char *value, struct jd_error *err)
{
    return guarded(err, [&] {
        benchmark::AddCustomContext(key, value);
        return static_cast<int>(JD_OK);
    });
}

int jd_bench_register(const char *name, jd_bench_case_fn call, void *context, bool has_manual_time,
                      struct jd_error *err)
{
    return guarded(err, [&] {
        cases.push_back(Case{call, context, false});
        Case *one = &cases.back();
        auto *registered = benchmark::RegisterBenchmark(
            name, [one](benchmark::State &state) { run_case(state, one); });
        if (has_manual_time)
            registered->UseManualTime();
        else
            registered->UseRealTime();
        return static_cast<int>(JD_OK);
    });
}

int jd_bench_run(const char *filter, jd_bench_result_fn on_result, jd_bench_counter_fn on_counter,
                 void *context, struct jd_bench_counts *out, struct jd_error *err)
{
    *out = {};
    int code = guarded(err, [&] {
        Collector collector(on_result, on_counter, context);
        out->matched = filter ? benchmark::RunSpecifiedBenchmarks(&collector, std::string(filter))
                              : benchmark::RunSpecifiedBenchmarks(&collector);
        out->results = collector.counts.results;
        out->errors = collector.counts.errors;
        if (!out->matched)
            return jd_fail(err, JD_E_NOT_FOUND, "--benchmark_filter", "no benchmark matches");
        if (out->errors)
            return jd_fail(err, JD_E_WRONG_RESULT, "benchmark", "%s",
                           collector.first_error.c_str());
        return static_cast<int>(JD_OK);
    });
    benchmark::ClearRegisteredBenchmarks();
    cases.clear();
    return code;
}

bool jd_bench_keep_running(struct jd_bench_state *state, uint64_t batch)
{
    if (!state->is_over)
        state->is_over =
            !state->state->KeepRunningBatch(static_cast<benchmark::IterationCount>(batch));
    return !state->is_over;
}

void jd_bench_set_time(struct jd_bench_state *state, double seconds)
{
    if (std::isfinite(seconds) && seconds >= 0)
        state->state->SetIterationTime(seconds);
    else
        jd_bench_skip(state, "a time is not finite");
}

void jd_bench_set_counter(struct jd_bench_state *state, const char *name, double value)
{
    if (!std::isfinite(value)) {
        jd_bench_skip(state, "a counter is not finite");
        return;
    }
    try {
        state->state->counters[name] = value;
    } catch (...) {
        jd_bench_skip(state, "out of memory");
    }
}

void jd_bench_set_label(struct jd_bench_state *state, const char *label)
{
    try {
        state->state->SetLabel(label);
    } catch (...) {
        jd_bench_skip(state, "out of memory");
    }
}

void jd_bench_skip(struct jd_bench_state *state, const char *why)
{
    *state->has_failed = true;
    state->state->SkipWithError(why);
}
