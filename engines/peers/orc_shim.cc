// SPDX-License-Identifier: Apache-2.0
//
// Holes in the C API: LLJITBuilder's platform, process symbols and linking layer, LLLazyJIT, and
// the notifications of both linking layers. No policy here.

#include "orc_shim.h"

#include <llvm/ExecutionEngine/JITLink/EHFrameSupport.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/ExecutionEngine/Orc/RTDyldObjectLinkingLayer.h>
#include <llvm/ExecutionEngine/SectionMemoryManager.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Object/SymbolSize.h>

using namespace llvm;
using namespace llvm::orc;

namespace
{
// JITLink: functions are known when addresses are, the end when all is emitted.
class Observer : public ObjectLinkingLayer::Plugin
{
  public:
    explicit Observer(const peer_shim_orc &Options) : O(Options)
    {
    }
    void modifyPassConfig(MaterializationResponsibility &, jitlink::LinkGraph &,
                          jitlink::PassConfiguration &Config) override
    {
        Config.PostFixupPasses.push_back([this](jitlink::LinkGraph &G) {
            for (auto *Symbol : G.defined_symbols())
                if (Symbol->isCallable() && Symbol->hasName())
                    O.function(O.context, Symbol->getName().str().c_str(),
                               Symbol->getAddress().getValue(), Symbol->getSize());
            return Error::success();
        });
    }
    Error notifyEmitted(MaterializationResponsibility &) override
    {
        O.emitted(O.context);
        return Error::success();
    }
    Error notifyFailed(MaterializationResponsibility &) override
    {
        return Error::success();
    }
    Error notifyRemovingResources(JITDylib &, ResourceKey) override
    {
        return Error::success();
    }
    void notifyTransferringResources(JITDylib &, ResourceKey, ResourceKey) override
    {
    }

  private:
    peer_shim_orc O;
};

void announce(const peer_shim_orc &O, const object::ObjectFile &Object,
              const RuntimeDyld::LoadedObjectInfo &Info)
{
    for (const auto &[Symbol, Size] : object::computeSymbolSizes(Object)) {
        auto Type = Symbol.getType();
        auto Section = Symbol.getSection();
        auto Name = Symbol.getName();
        auto Address = Symbol.getAddress();
        if (Type && Section && Name && Address && *Type == object::SymbolRef::ST_Function &&
            *Section != Object.section_end())
            O.function(O.context, Name->str().c_str(),
                       static_cast<uintptr_t>(Info.getSectionLoadAddress(**Section) + *Address),
                       Size);
        consumeError(Type.takeError());
        consumeError(Section.takeError());
        consumeError(Name.takeError());
        consumeError(Address.takeError());
    }
}

std::unique_ptr<ObjectLayer> makeRtdyld(ExecutionSession &ES, const peer_shim_orc &O)
{
    auto Layer = std::make_unique<RTDyldObjectLinkingLayer>(
        ES, [] { return std::make_unique<SectionMemoryManager>(); });
    Layer->setAutoClaimResponsibilityForObjectSymbols(true);
    Layer->setNotifyLoaded(
        [O](MaterializationResponsibility &, const object::ObjectFile &Object,
            const RuntimeDyld::LoadedObjectInfo &Info) { announce(O, Object, Info); });
    Layer->setNotifyEmitted([O](MaterializationResponsibility &, std::unique_ptr<MemoryBuffer>) {
        O.emitted(O.context);
    });
    return Layer;
}

std::unique_ptr<ObjectLayer> makeJitlink(ExecutionSession &ES, const peer_shim_orc &O)
{
    auto Layer = std::make_unique<ObjectLinkingLayer>(ES);
    Layer->setAutoClaimResponsibilityForObjectSymbols(true);
    Layer->addPlugin(std::make_unique<EHFrameRegistrationPlugin>(
        ES, std::make_unique<jitlink::InProcessEHFrameRegistrar>()));
    Layer->addPlugin(std::make_unique<Observer>(O));
    return Layer;
}

template <typename Builder> Expected<std::unique_ptr<LLJIT>> create(Builder &B, peer_shim_orc O)
{
    auto *Machine = reinterpret_cast<JITTargetMachineBuilder *>(O.machine_builder);
    B.setJITTargetMachineBuilder(std::move(*Machine));
    LLVMOrcDisposeJITTargetMachineBuilder(O.machine_builder);
    B.setPlatformSetUp(setUpInactivePlatform);
    B.setLinkProcessSymbolsByDefault(false);
    B.setObjectLinkingLayerCreator(
        [O](ExecutionSession &ES, const Triple &) -> Expected<std::unique_ptr<ObjectLayer>> {
            return O.is_rtdyld ? makeRtdyld(ES, O) : makeJitlink(ES, O);
        });
    auto Made = B.create();
    if (!Made)
        return Made.takeError();
    return std::unique_ptr<LLJIT>(std::move(*Made));
}
} // namespace

LLVMErrorRef peer_shim_orc_create(const struct peer_shim_orc *options, LLVMOrcLLJITRef *out)
{
    LLJITBuilder Eager;
    LLLazyJITBuilder OnDemand;
    // Partitions have contexts of their own and may be compiled by several threads, but each by the
    // one that needs it: a dispatcher with threads would bring its own.
    auto Control =
        SelfExecutorProcessControl::Create(nullptr, std::make_unique<InPlaceTaskDispatcher>());
    *out = nullptr;
    if (!Control)
        return wrap(Control.takeError());
    OnDemand.setExecutorProcessControl(std::move(*Control));
    OnDemand.setSupportConcurrentCompilation(true);
    OnDemand.setLazyCompileFailureAddr(ExecutorAddr(options->failed_addr));
    auto Made = options->is_on_demand ? create(OnDemand, *options) : create(Eager, *options);
    if (!Made)
        return wrap(Made.takeError());
    *out = reinterpret_cast<LLVMOrcLLJITRef>(Made->release());
    return LLVMErrorSuccess;
}

LLVMErrorRef peer_shim_orc_add_lazy(LLVMOrcLLJITRef jit, LLVMOrcThreadSafeModuleRef module)
{
    std::unique_ptr<ThreadSafeModule> Module(reinterpret_cast<ThreadSafeModule *>(module));
    auto *Lazy = static_cast<LLLazyJIT *>(reinterpret_cast<LLJIT *>(jit));
    return wrap(Lazy->addLazyIRModule(std::move(*Module)));
}
