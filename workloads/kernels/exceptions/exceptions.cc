// SPDX-License-Identifier: Apache-2.0
//
// C++ exceptions across functions: through frames with destructors, rethrown, caught by base class,
// from a global object's methods and from virtual calls. Also global constructors and destructors,
// a function-local static, templates from the library. The library itself comes from the process.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{
int live_guards;

struct guard {
    guard()
    {
        live_guards++;
    }
    ~guard()
    {
        live_guards--;
    }
    guard(const guard &) = delete;
    guard &operator=(const guard &) = delete;
};

struct refusal : std::runtime_error {
    refusal(std::string text, int depth) : std::runtime_error(std::move(text)), depth(depth)
    {
    }
    int depth;
};

struct shape {
    virtual ~shape() = default;
    virtual int64_t area() const = 0;
};

struct square : shape {
    explicit square(int64_t side) : side(side)
    {
        if (side < 0)
            throw std::invalid_argument("side");
    }
    int64_t area() const override
    {
        return side * side;
    }
    int64_t side;
};

struct hole : shape {
    int64_t area() const override
    {
        throw refusal("a hole has no area", 0);
    }
};

// Runs before and after main; what it prints at the end shows that it was destroyed. Silent where
// only kernel_step ran, which prints nothing.
struct logger {
    std::vector<std::string> lines;
    logger()
    {
        lines.push_back("global constructed");
    }
    ~logger()
    {
        if (lines.size() > 1)
            std::printf("global destroyed after %zu lines\n", lines.size());
    }
};

logger global_log;

__attribute__((noinline)) int64_t descend(int depth, int64_t n)
{
    guard kept;
    if (depth == 0) {
        if (n % 3 == 0)
            throw refusal("bottom", static_cast<int>(n));
        return n;
    }
    return descend(depth - 1, n) + 1;
}

__attribute__((noinline)) int64_t pass_on(int depth, int64_t n)
{
    try {
        return descend(depth, n);
    } catch (refusal &caught) {
        caught.depth += 1000;
        throw;
    }
}

int64_t &counter()
{
    static int64_t *count = new int64_t(40);
    return *count;
}

int64_t sum_areas(const std::vector<std::unique_ptr<shape>> &shapes)
{
    int64_t sum = 0;
    for (const auto &one : shapes)
        sum += one->area();
    return sum;
}
} // namespace

// n descents of depth 5, a third of which throw.
extern "C" int64_t kernel_step(int64_t n)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        try {
            sum += pass_on(5, i);
        } catch (const refusal &caught) {
            sum += caught.depth;
        }
    return sum;
}

int main()
{
    global_log.lines.push_back("main");
    std::printf("%s\n", global_log.lines[0].c_str());
    std::printf("descend: %lld\n", static_cast<long long>(descend(10, 7)));
    try {
        pass_on(10, 9);
    } catch (const std::exception &caught) {
        std::printf("caught %s, guards left %d\n", caught.what(), live_guards);
    }

    std::vector<std::unique_ptr<shape>> shapes;
    shapes.push_back(std::make_unique<square>(3));
    shapes.push_back(std::make_unique<square>(4));
    std::printf("areas: %lld\n", static_cast<long long>(sum_areas(shapes)));
    shapes.push_back(std::make_unique<hole>());
    try {
        sum_areas(shapes);
    } catch (const refusal &caught) {
        std::printf("refused: %s\n", caught.what());
    }
    try {
        shapes.push_back(std::make_unique<square>(-1));
    } catch (const std::logic_error &caught) {
        std::printf("logic error: %s, shapes %zu\n", caught.what(), shapes.size());
    }
    try {
        std::printf("%s\n", std::string("short").substr(9).c_str());
    } catch (const std::out_of_range &) {
        std::printf("out of range, thrown by the library\n");
    }
    try {
        throw 17;
    } catch (int value) {
        std::printf("an int: %d\n", value);
    }
    auto *downcast = dynamic_cast<square *>(shapes[0].get());
    std::printf("cast: %d %d\n", downcast != nullptr,
                dynamic_cast<square *>(shapes[2].get()) == nullptr);
    counter() += 1;
    counter() += 1;
    std::printf("static: %lld\n", static_cast<long long>(counter()));
    std::printf("step(60) = %lld\n", static_cast<long long>(kernel_step(60)));
    return 0;
}
